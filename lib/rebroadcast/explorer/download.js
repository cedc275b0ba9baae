// A button that saves what Python sent along.
function render({ model, el }) {
  const link = document.createElement("a");
  const address = URL.createObjectURL(new Blob([model.get("content")]));
  link.href = address;
  link.download = model.get("name");
  link.textContent = model.get("text");
  link.className = "rb-download";
  el.append(link);
  return () => URL.revokeObjectURL(address);
}
export default { render };
