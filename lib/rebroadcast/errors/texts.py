"""What an error text says: its words and its codes, without what identifies a person."""

import contextlib
import functools
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

import re2

from ..common.masking import MASK_TOKEN, utf8

NAMES_ALIKE = 4  # shapes that differ in one word only, before that word is taken for a name
# On short texts these are faster than RE2, and none backtracks far; what begins with a set of
# characters is searched fastest, so a word's beginning is looked for behind its first character.
_ascii = functools.partial(re.compile, flags=re.ASCII)
_DIGIT = _ascii(r"\d")
_CODE_KEY = _ascii(
    r"(?i)(?:code|codigo|status|cause|number|err(?:or|o|no)?|fehler|meta|http(?:/[\d.]+)?|api"
    r"|twilio|[#_])[\"']?\]?\s*(?:=>|[:=(#\[-]|is)?\s*[\"'\[(]{0,2}#?(-?\d{1,7})(\.\d)?(?:\D|$)"
)
_CODE_ALONE = _ascii(
    r"(?:^[\s\"'(\[{]*|\()(?:[A-Z]{2}-)?(\d{1,7})(?:\.\d+)?(?:\s*[:)\],;|]|\s+[-(A-Z]|\s*$)"
)
_CODE_LONG = _ascii(r"(\d(?<!\w.)\d{4,6})\b")
_CODE_NEXT = _ascii(  # a further code: of a list, or where a further error begins
    r"[\d;|/&+]\s*[,;|/&+]?\s*[\"'(\[{#]*(\d(?<!\w.)\d{4,6})(?=[\s\"']*(?:[:)\],;|/&+]|$)|\s+[-(A-Z])"
)
_ERRORS = re.compile(  # what stands between two errors of one cell
    r"[;|\n]|\\n|\s/\s|\s\+\s|\}\s*,\s*\{|(?<=[\"'])\s*,\s*(?=[\"'])(?![\"'][\w-]+[\"']\s*:)"
    r"|,\s*(?=[a-z]+[A-Z]|[A-Z]+_)"
)
CLAUSE = re.compile(r"[.;!?|()]+(?:\s+|$)|\s\(|,\s(?!(?:or|ou?|oder|und|and|y|e)\b)")
_FINE = _ascii(r"(?i)\bhttp\S*\W+(?:status\W+)?(?:code\W+)?2\d\d\b|\b2\d\d ok\b")  # is no error
_GARBLED = re.compile("[\u00c2-\u00f4][^\\x00-\\x7f]+")
_CODE_HEX = _ascii(r"(?i)\b0x([0-9a-f]{2,8})\b")
_CODE_SMTP = _ascii(r"([245](?<!\w.)\.\d{1,3}\.\d{1,3})\b")
_REPLY = _ascii(r"42[12]|43[12]|4[45]\d|5[0-7]\d|[45]\.\d{1,3}\.\d{1,3}")
_CODE_META = _ascii(r"13[0-5]\d{3}|137000|2018\d{3}|2534\d{3}|2494\d{3}")
_EMAIL = _ascii(r"(?i)^\W*(?:smtp|x-[\w-]+|unknown);|\bsmtp\b")
_EMAIL_CODES = _ascii(r"[245](?<!\w.)\d\d[ -]#?[245]\.\d{1,3}\.\d{1,3}\b")
_SIGNS = {
    "errcode": "wechat",
    "status_message": "viber",
    "error_msg": "vk",
    '"ok":false': "telegram",
}
_SMTP_PREFIX = _ascii(
    r"[245(](?:(?<!\w.)(?<!\()\d\d(?:[ -]#?[245]\.\d{1,3}\.\d{1,3}|-)|(?<=\w\()#[245]\.\d\.\d\))"
    r"(?:[ =:]|\b)"
)
_NAMES = _ascii(  # of errors: not those of values
    r"\b(?!WhatsApp|WeChat)(?:[A-Za-z]+(?:_[A-Za-z]+)+|[A-Za-z][a-z]+(?:[A-Z][a-z]+)+)\b(?!['\"]\s*(?::|=>))"
)
_NAMED = _ascii("[A-Z](?<=[a-z].)")
NAME_FIRST = _ascii(r"^(\W*(?:\d+\W+)?[A-Z]+(?:_[A-Z]+)+)\s(?=\w)")  # a clause of its own
_WRAPPED = (
    "xception",
    "Error",
    "Callback",
    "(caused by",
    "request_params",
    "ethod'",
    "ethod:",
    ".php:",
    ".js:",
    "stat:",
)
# What programs add: names of exceptions that say nothing, the parameters of the request, traces,
# and the message itself in a delivery receipt.
_WRAPPING = re2.compile(
    r"\b(?:OAuth|IG|Api|API|Graph|Method|Facebook|FB|Wx|Weixin|Http|HTTP|Client|Request|Runtime"
    r"|Telegram|Twilio|Rest|Messenger|Line|LINE|Bot|VK|Vk|Viber|WhatsApp|RPC|Rpc|Axios|Net|SDK|Sdk"
    r"|Unhandled|Bad|Response|Invoke|Invocation|Call|Status|Code|Operation|Base|General|Delivery"
    r"|Message)+(?:Exception|Error|Callback)\b"
    r"|\(caused by [^)]{1,80}\)|\brequest_params\W{1,5}[^}]*\}?|\b[Mm]ethod\W{1,5}[a-z]+\.\w+"
    r"|\bin /\S+:\d+|\bat [\w.$<>]+ ?\([^)]*:\d+(?::\d+)?\)|Stack trace:.*"
    r"|\b(?:[a-z_]\w*\.){2,}([A-Z])|\w[\w\\]*\\([A-Z])|\b(?:submit|done) date:\S*"
    r"|(stat:.{1,30}?) [Tt]ext:.*"
)
_VARIANTS = str.maketrans(
    "‘’´`“”«»‐‑–—‹›łŁıøđ"  # and Chinese characters as Taiwan and Hong Kong write them
    "無號訊發傳額權過帳戶驗證碼錯誤連線網絡後請試數個設備簽電話機關閉開啟鎖單頻間時內長檔圖視"
    "語註冊綁餘費點儲對沒應處異務統維護參為類標題結規範違審該組員聯繫訂閱來動業進這還將與並屬"
    "於體認計調記錄讀寫載輸轉換級別歷顯廣詢說專區際漢變實價錢賬資給買賣續約條項產創閒壓縮總極"
    "監檢測獲當層觸選擇擋據攔敗斷暫樣歸殘滿濾狀獎現環確離種稱積穩節簡細終絕經緊編緩織職聲聽衝"
    "補裝見觀討託許訴診評詞詳論謝識譯議讓責貨貴質購贈趕較輕辦運達遞遠適郵鄰釋鎮鍵鏈門隊階隨險"
    "難靈靜頁頂順須預領頭顧風飛駐騙齊麼僅優償兩則剛劃協雙啓喚國執場塊學導屆帶幫幾庫強徑徵從復"
    "惡態慣損擊擴攜書會東樞殺決況熱燈營爭獨盡盤眾禮稅筆納紀純紙綜繳罰臨舉舊虛覽訪課誰負財貼軟"
    "軌輔輪週鈕銀銷闢陣雜雲響頓頒館驅驟們佔傷儘凍匯卻嚴圍報壞夠師廢彈憑掃採撥擾",
    "''''\"\"\"\"----<>lLiod"
    "无号讯发传额权过帐户验证码错误连线网络后请试数个设备签电话机关闭开启锁单频间时内长档图视"
    "语注册绑余费点储对没应处异务统维护参为类标题结规范违审该组员联系订阅来动业进这还将与并属"
    "于体认计调记录读写载输转换级别历显广询说专区际汉变实价钱账资给买卖续约条项产创闲压缩总极"
    "监检测获当层触选择挡据拦败断暂样归残满滤状奖现环确离种称积稳节简细终绝经紧编缓织职声听冲"
    "补装见观讨托许诉诊评词详论谢识译议让责货贵质购赠赶较轻办运达递远适邮邻释镇键链门队阶随险"
    "难灵静页顶顺须预领头顾风飞驻骗齐么仅优偿两则刚划协双启唤国执场块学导届带帮几库强径征从复"
    "恶态惯损击扩携书会东枢杀决况热灯营争独尽盘众礼税笔纳纪纯纸综缴罚临举旧虚览访课谁负财贴软"
    "轨辅轮周钮银销辟阵杂云响顿颁馆驱骤们占伤尽冻汇却严围报坏够师废弹凭扫采拨扰",
)


def fold(text: str) -> str:
    """Return text without accents and variants: of typography, and of Chinese characters."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text.translate(_VARIANTS))
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", apart))


def _repaired(garbled: re.Match[str]) -> str:
    """Text that is UTF-8 read as Latin-1 or Windows-1252, read rightly; any other as it is."""
    for encoding in ("latin-1", "cp1252"):
        with contextlib.suppress(UnicodeError):
            return garbled[0].encode(encoding).decode()
    return garbled[0]


def plain_text(masked: str) -> str:
    """Undo what transport did to a text: escapes (also repeated ones), entities, line breaks,
    accents.
    """
    text = masked.replace(MASK_TOKEN, "~").replace("n`t", "n't")
    if "\\" in text:
        text = re.sub(r"(?<!\\)\\+u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
        text = re.sub(r"(?<!\\)\\+(?:[nrt]\b|[nrt](?=[A-Z])|(?=[\"'/\\]))", " ", text).replace(
            ' "', '"'
        )
    text = re.sub(r"=\r?\n", "", html.unescape(text)) if "&" in text or "=" in text else text
    return " ".join((text if text.isascii() else fold(_GARBLED.sub(_repaired, utf8(text)))).split())


def find_codes(plain: str) -> dict[str, bool]:
    """Return the codes that a text holds, and whether it calls them codes (Meta's need no name)."""
    plain = _FINE.sub(" ", plain)
    if not _DIGIT.search(plain):
        return {}
    told = [
        *(c for c, rest in _CODE_KEY.findall(plain) if not rest),
        *_CODE_ALONE.findall(plain),
        *_CODE_SMTP.findall(plain),
        *_CODE_NEXT.findall(plain),
    ]
    found = {c.lstrip("0") or "0" if c[0] == "0" else c: True for c in told}
    if "0x" in plain:
        found |= {f"{int(c, 16):#x}": True for c in _CODE_HEX.findall(plain)}
    return found | {
        c: c in found or bool(_CODE_META.fullmatch(c)) for c in _CODE_LONG.findall(plain)
    }


def guess_kind(plain: str) -> str | None:
    """Return the channel kind that a text gives away by its form, None where it could be of any
    kind.
    """
    named = (";" in plain or "smtp" in plain.lower()) and _EMAIL.search(plain)
    signs = (kind for sign, kind in _SIGNS.items() if sign in plain)
    return "email" if named or _EMAIL_CODES.search(plain) else next(signs, None)


def errors_of(masked: str) -> list[str]:
    """Return the parts of a text that may be errors of their own; none where it is but one.

    >>> errors_of("Too many requests; Forbidden"), errors_of("Too many requests")
    (['Too many requests', 'Forbidden'], [])
    """
    parts = [part.strip() for part in _ERRORS.split(masked, 6) if part.strip()]
    return parts if len(parts) > 1 else []


def find_words(plain: str) -> tuple[str, list[str]]:
    """Return a text for the patterns to search: without SMTP codes and what a program wraps around
    an error, and with names split into words; and these names.
    """
    if any(map(plain.__contains__, _WRAPPED)):
        for _ in range(2):  # also behind a path
            plain = _WRAPPING.sub(lambda m: m[1] or m[2] or m[3] or " ", plain)
    words = " ".join(_SMTP_PREFIX.sub(" ", plain).split()) if _DIGIT.search(plain) else plain
    names = _NAMES.findall(words) if "_" in words or _NAMED.search(words) else []
    if names:  # receiverNotSubscribed, USER_IS_BLOCKED
        words += " | " + re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", " | ".join(names))
    return words, names


class Read:
    """A masked text as it is read: plain, its codes and names (which may be codes), its words, and
    the kind that it is of.
    """

    def __init__(self, masked: str, kind: str | None):
        self.masked, self.plain = masked, plain_text(masked)
        self.codes = find_codes(self.plain)
        self.words, self.names = find_words(self.plain)
        self.both = f"{self.plain} {self.words}" if self.names else self.plain
        self.kind = kind or guess_kind(self.plain)
        self.lower = self.reason = self.words.lower()
        replies = self.codes if self.kind == "email" else ()  # RFC 5321 and 3463: 4 is try again
        self.passing = {c[0] for c in replies if _REPLY.fullmatch(c)} == {"4"}
        self.doubtful: bool | None = (
            None  # whether no `never` is said for certain, once that is asked
        )
        self.said: dict | None = None  # and then reason is that part of the words which says why


def shape(masked: str) -> str:
    """Fold a masked text to its shape: every word that holds a digit becomes the mask's token, and
    tokens in a row one.

    >>> shape("Order ORD-17 put aside, batch 4")
    'Order ‹…› put aside, batch ‹…›'
    """
    words = [
        MASK_TOKEN if MASK_TOKEN in word or any(c.isdigit() for c in word) else word
        for word in masked.split()
    ]
    return " ".join(w for i, w in enumerate(words) if not (i and w == words[i - 1] == MASK_TOKEN))


def shapes(masked: Iterable[str]) -> dict[str, str]:
    """Group masked texts: each text to the shape of its group; what four or more shapes have in one
    place counts as a name.

    Measured on 8,400 texts made of 421 real ones: with other numbers 98 % of the texts are in a
    group that is exactly theirs, with other numbers and names 98 %; Drain3, a template miner, at
    its best threshold for each, 93 % and 84 %.
    """
    own = {text: shape(text) for text in masked}
    blanked = {}
    for s in set(own.values()):
        words = s.split()
        blanked[s] = {
            " ".join([*words[:i], MASK_TOKEN, *words[i + 1 :]]) for i in range(min(len(words), 60))
        }
    shared = Counter(key for keys in blanked.values() for key in keys)
    best = {
        s: max(((shared[key], key) for key in keys), default=(0, s)) for s, keys in blanked.items()
    }
    return {text: best[s][1] if best[s][0] >= NAMES_ALIKE else s for text, s in own.items()}
