"""What WordPress leaves of HTML when it is stored: a small "kses strips evil scripts" by hand.

Follows the recordings, and WordPress's documentation where they are silent. The lists are shorter than WordPress's:
an element or attribute that course texts do not use may be dropped here and kept there.
https://developer.wordpress.org/reference/functions/wp_kses/
"""

import re
from html import escape
from html.entities import name2codepoint

from wcsync.sandbox.shop_shapes import words

_EVERYWHERE = words("class dir hidden id lang style title role xml:lang")
_TEXT = (
    "abbr acronym address article aside b bdo big caption center cite code dd dfn dt em figcaption figure footer h1 h2"
    " h3 h4 h5 h6 header hgroup i kbd main mark menu nav p pre rp rt ruby s samp section small span strike strong sub"
    " summary sup tt u var"
)
_OWN = {
    "a": "href rel rev name target download",
    "area": "alt coords href nohref shape target",
    "audio": "autoplay controls loop muted preload src",
    "blockquote": "cite",
    "br": "",
    "button": "disabled name type value",
    "col": "span width",
    "colgroup": "span width",
    "del": "datetime",
    "details": "align open",
    "div": "align",
    "dl": "",
    "fieldset": "",
    "font": "color face size",
    "hr": "align noshade size width",
    "img": "alt align border height hspace loading longdesc vspace src usemap width",
    "ins": "datetime cite",
    "label": "for",
    "legend": "align",
    "li": "align value",
    "map": "name",
    "ol": "start type reversed",
    "q": "cite",
    "table": "align bgcolor border cellpadding cellspacing rules summary width",
    "tbody": "align valign",
    "td": "abbr align axis bgcolor colspan headers height nowrap rowspan scope valign width",
    "textarea": "cols rows disabled name readonly",
    "tfoot": "align valign",
    "th": "abbr align axis bgcolor colspan headers height nowrap rowspan scope valign width",
    "thead": "align valign",
    "tr": "align bgcolor valign",
    "track": "default kind label src srclang",
    "ul": "type",
    "video": "autoplay controls height loop muted playsinline poster preload src width",
}
_ALLOWED = {
    name: frozenset(names.split()) for name, names in (dict.fromkeys(_TEXT.split(), "align") | _OWN).items()
}
_ADDRESSES = words("cite href longdesc poster src usemap")
_PROTOCOLS = words("http https ftp ftps mailto news irc nntp feed telnet sms tel fax webcal xmpp")
_ENTITIES = frozenset(name2codepoint) | {"apos"}

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_UNCLOSED = re.compile(r"<[^>]*?(?:(?=<)|>|$)", re.DOTALL)
_PIECE = re.compile(r"<!--.*?(?:-->|$)|<[^>]*(?:>|$)|>", re.DOTALL)
_TAG = re.compile(r"<\s*(/\s*)?([a-zA-Z0-9-]+)([^>]*)>?", re.DOTALL)
_ATTRIBUTE = re.compile(
    r"""([_a-zA-Z][-_a-zA-Z0-9:.]*)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"']+))?(?=\s|/?$)""", re.DOTALL
)
_ENTITY = re.compile(r"&amp;(?:([A-Za-z]{2,8}[0-9]{0,2})|#(0*[0-9]{1,7})|#[Xx](0*[0-9A-Fa-f]{1,6}));")
_PROTOCOL = re.compile(r"^\s*([a-zA-Z][a-zA-Z0-9+.-]*)\s*:")
_DATA = re.compile(r"(?:data|aria)-[a-z0-9_-]+")


def stored_html(text: str) -> str:
    """A product's name or text as it is stored: filtered, and every backslash that was not doubled is gone."""
    return kses(re.sub(r"\\(.?)", r"\1", text, flags=re.DOTALL))


def kses(text: str) -> str:
    """The allowed part of a piece of HTML. Text of dropped elements stays."""
    text = _entities(_CONTROLS.sub("", text))
    text = _UNCLOSED.sub(lambda found: found[0] if found[0].endswith(">") else _escaped(found[0]), text)
    return _PIECE.sub(lambda found: _piece(found[0]), text)


def plain(text: str) -> str:
    """A one-line text as WooCommerce cleans it (SKUs, names of attributes): no tags, blanks folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text)).strip()


def term_name(text: str) -> str:
    """The name of a tag or category as it is stored: no tags, `&`, `<` and `>` escaped."""
    return _entities(plain(text)).replace("<", "&lt;").replace(">", "&gt;")


def _entities(text: str) -> str:
    return _ENTITY.sub(_entity, text.replace("&", "&amp;"))


def _entity(found: re.Match[str]) -> str:
    name, number, hexadecimal = found.groups()
    if name:
        return f"&{name};" if name in _ENTITIES else found[0]
    if number:
        return f"&#{number.lstrip('0').rjust(3, '0')};"
    return f"&#x{hexadecimal.lstrip('0')};"


def _escaped(text: str) -> str:
    """As WordPress escapes what begins like a tag and never ends; entities in it stay what they are."""
    return re.sub(r"&amp;(#?[A-Za-z0-9]+;)", r"&\1", escape(text, quote=True)).replace("&#x27;", "&#039;")


def _piece(piece: str) -> str:
    if not piece.startswith("<"):
        return "&gt;"
    if piece.startswith("<!--"):
        return _comment(piece)
    tag = _TAG.fullmatch(piece)
    if tag is None or tag[2].lower() not in _ALLOWED:
        return ""
    closing, name, rest = tag.groups()
    if closing:
        return f"</{name}>"
    slash = " /" if re.search(r"/\s*$", rest) else ""
    kept = "".join(f" {one}" for one in _attributes(name.lower(), rest))
    return f"<{name}{re.sub('[<>]', '', kept)}{slash}>"


def _comment(piece: str) -> str:
    inner = piece.replace("<!--", "").replace("-->", "")
    while (filtered := kses(inner)) != inner:
        inner = filtered
    inner = re.sub(r"-$", "", re.sub(r"--+", "-", inner))
    return f"<!--{inner}-->" if inner else ""


def _attributes(element: str, rest: str) -> list[str]:
    kept: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(rest):
        lower = name.lower()
        if lower not in _EVERYWHERE | _ALLOWED[element] and not _DATA.fullmatch(lower):
            continue
        if not value:
            kept.setdefault(name, name)
            continue
        quoted = value[0] in "\"'"
        quote, inner = (value[0], value[1:-1]) if quoted else ('"', value)
        inner = _address(inner) if lower in _ADDRESSES else _style(inner) if lower == "style" else inner
        if inner or lower != "style":
            kept.setdefault(name, f"{name}={quote}{inner}{quote}")
    return list(kept.values())


def _address(value: str) -> str:
    """Without a protocol that is not allowed: `javascript:alert(1)` becomes `alert(1)`."""
    while (found := _PROTOCOL.match(value)) and found[1].lower() not in _PROTOCOLS:
        value = value[found.end() :]
    return value


def _style(value: str) -> str:
    """The declarations without outer blanks; WordPress drops those it does not know, which is not imitated."""
    return ";".join(part.strip() for part in value.split(";") if part.strip())
