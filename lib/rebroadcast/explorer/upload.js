// A file, sent to Python in pieces: one message of more than 10 MB would end Jupyter's connection. Each piece is answered.
const PIECE = 2 ** 20;
const PATIENCE = 60_000; // milliseconds without an answer
function render({ model, el }) {
  const place = document.createElement("label");
  const text = document.createElement("span");
  const input = document.createElement("input");
  input.type = "file";
  input.accept = model.get("accept");
  input.setAttribute("aria-label", model.get("called"));
  place.className = "rb-drop";
  place.append(text, input);
  el.append(place);
  const say = (words) => (text.textContent = words);
  say(model.get("text"));
  let file, at, timer;
  const lost = () => {
    file = undefined;
    say(model.get("lost"));
  };
  const send = async () => {
    clearTimeout(timer);
    timer = setTimeout(lost, PATIENCE);
    try {
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      model.send({ name: file.name, size: file.size, at }, undefined, [piece]);
    } catch {
      lost();
    }
  };
  const begin = (chosen) => {
    if (!chosen || file) return;
    [file, at] = [chosen, 0];
    say(`${file.name}: 0 %`);
    send();
  };
  const took = ({ took: until }) => {
    if (!file || until <= at && file.size) return;
    at = until;
    say(`${file.name}: ${file.size ? Math.floor((100 * at) / file.size) : 100} %`);
    if (at < file.size) return send();
    clearTimeout(timer);
    file = undefined;
    input.value = "";
    setTimeout(() => file || say(model.get("text")), 4000);
  };
  model.on("msg:custom", took);
  input.addEventListener("change", () => begin(input.files[0]));
  for (const name of ["dragover", "drop"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (name === "drop") begin(event.dataTransfer.files[0]);
    });
  }
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", took);
  };
}
export default { render };
