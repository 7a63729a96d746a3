"""Rows that have broken pipelines before, and plain ones to compare with."""

# ruff: noqa: RUF001  # these characters are meant

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pipeline import schema

PROSE = (
    "The harbour lay still that morning, and the men who worked on the quay had little to do but talk. They spoke of the "
    "winter, of boats that were to be mended, and of the road that had been washed away with the bridge. Nobody thought "
    "that the storm would have come back so soon; the sky was clear to the north, and the wind had turned with the tide. "
    "An old woman sold bread and apples from a cart beside the wall. She had seen all of this before, she said, and it "
    "was best to be patient with the sea."
)
GERMAN = (
    "Der Hafen lag an diesem Morgen still, und die Männer am Kai hatten wenig zu tun. Sie sprachen über den Winter, über "
    "die Boote, die ausgebessert werden mussten, und über die Straße, die mit der Brücke fortgespült worden war."
)
RUSSIAN = "Этим утром гавань была спокойна, и людям на причале почти нечего было делать. Они говорили о зиме и о лодках."
CHINESE = "那天早上港口很安静，码头上的人没有什么事情可做。他们谈论冬天，谈论需要修理的船，还有被冲走的道路和桥梁。"
ARABIC = "كان الميناء هادئا في ذلك الصباح ولم يكن لدى الرجال على الرصيف الكثير ليفعلوه سوى الحديث عن الشتاء والقوارب."
THAI = "เช้าวันนั้นท่าเรือเงียบสงบ และคนงานบนท่าเรือแทบไม่มีอะไรทำนอกจากพูดคุยกันเรื่องฤดูหนาวและเรือที่ต้องซ่อม"

PLAIN: Mapping[str, str] = {
    "prose": PROSE,
    "paragraphs": f"{PROSE}\n\n{PROSE[:200]}\n\n{PROSE}\n",
    "list": "Things to bring:\n- bread\n- apples\n• a rope ...\n- 3.5km of wire…\n\nAsk Mr. O'Neill, he'll know (e.g. where it's sold).",
    "code": "def area(r):\n    return 3.14 * r ** 2  # r > 0\n\nprint(area(2), area(2.0))\n",
    "addresses": "See http://www.example.org/a?b=c, mail me@example.org, or call 555-0100 between 9am and 5pm #help #help",
    "german": GERMAN,
    "russian": RUSSIAN,
    "chinese": CHINESE,
    "mojibake": PROSE.replace("storm", "stormâ€™s").replace("harbour", "cafÃ©"),
    "entities": "Fish &amp; chips&nbsp;&#8211; &bogus; for two",
    "decomposed": "The cafe\u0301 on the quay was closed.\r\nIt had been for years\0.",
    "capitals": PROSE.upper(),
    "short": "ok",
}

NASTY: Mapping[str, str] = {
    "empty": "",
    "space": " ",
    "all white space": " \t\r\n\v\f\x1c\x85\u00a0\u2028\u3000" * 50,
    "line breaks": "\n" * 1000,
    "one character": "x",
    "NULs": "a\0b\0\0c" * 100,
    "controls": "".join(map(chr, range(0x20))) + "\x7f" + "".join(map(chr, range(0x80, 0xA0))),
    "all of the first plane": "".join(chr(point) for point in range(0x10000) if not 0xD800 <= point < 0xE000),
    "some of the other planes": "".join(chr(point) for point in range(0x10000, 0x110000, 37)),
    "private and unassigned": "\ue000\uffff\ufdd0\U0010ffff\u0378",
    "right to left": ARABIC + "\u202e" + ARABIC[::-1] + "\u200f",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽 🇩🇪🇫🇷 ❤️" * 200,
    "combining": "e" + "\u0301" * 5000 + " Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "thai": THAI * 20,
    "marks only": "... --- !!! ??? ### ***" * 50,
    "dots": "." * 100_000,
    "brackets": "(" * 20_000 + ")" * 20_000,
    "at signs": "@" * 50_000,
    "one host without end": "a." * 50_000,
    "one word without end": "a" * 1_000_000,
    "ampersands": "&" * 100_000 + "&#0;&#xD800;&#1114112;&amp;amp;",
    "mojibake without end": "Ã©â€™ " * 20_000,
    "escapes": "\x1b[31mred\x1b[0m\x1b" * 100,
    "10 MB in one line": "lorem ipsum, dolor sit amet. " * 345_000,
    "1 million lines": "line\n" * 1_000_000,
}

PLAIN_PAGES: Mapping[str, bytes] = {
    "prose": f"<html><head><title>The  harbour</title></head><body><h1>The harbour</h1><p>{PROSE}</p></body></html>".encode(),
    "list": f"<html><body><h1>Trip</h1><p>{PROSE}</p><ul><li>bread</li><li>apples</li></ul></body></html>".encode(),
    "code": f"<body><p>{PROSE}</p><pre>if a:\n    b()\n</pre><p>{PROSE}</p></body>".encode(),
    "latin-1": f'<meta charset="iso-8859-1"><p>{GERMAN}</p>'.encode("latin-1"),
    "cyrillic, undeclared": f"<p>{RUSSIAN * 5}</p>".encode("cp1251"),
    "byte order mark": f"<p>{GERMAN}</p>".encode("utf-16"),
    "plain": PROSE.encode(),
}

NASTY_PAGES: Mapping[str, bytes | None] = {
    "null": None,
    "empty": b"",
    "white space": b" \n\t" * 1000,
    "NULs": b"\0" * 10_000,
    "NULs in a page": f"<p>{PROSE}\0\0{PROSE}</p>".encode(),
    "lone surrogates": f"<p>{PROSE}".encode() + b"\xed\xa0\x80\xed\xbf\xbf</p>",
    "surrogates by number": f"<p>{PROSE}&#xD800;&#56320;&#0;&#x110000;</p>".encode(),
    "every byte": bytes(range(256)) * 20,
    "truncated UTF-8": f"<p>{RUSSIAN}".encode()[:-1],
    "half of UTF-16": b"\xff\xfe<\0p\0>\0x",
    "PDF": b"%PDF-1.7\n" + PROSE.encode(),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "no text": b"<html><body><script>var x = 1;</script><style>p {}</style></body></html>",
    "unclosed": b"<html><body><div><p><b><i>" + PROSE.encode(),
    "no tags": PROSE.encode(),
    "tags only": b"<" * 100_000,
    "nested": b"<div>" * 100_000 + PROSE.encode(),
    "nested and closed": b"<div>" * 100_000 + PROSE.encode() + b"</div>" * 100_000,
    "many options": b"<select>" + b"<option>x" * 100_000 + b"</select>",
    "unended comment": b"<p>x</p><!-- " + PROSE.encode() * 10,
    "right to left": f"<p dir=rtl>{ARABIC}</p>".encode(),
    "frames": b"<frameset><frame src=a><frame src=b></frameset>",
    "10 MB in one line": b"<p>" + b"lorem ipsum, dolor sit amet. " * 345_000 + b"</p>",
    "1 million lines": b"<pre>" + b"line\n" * 1_000_000 + b"</pre>",
}

PLAIN_URLS: Mapping[str, str] = {
    "plain": "https://harbour.example/2024/the-quay.html",
    "blocked domain": "https://blocked.example/",
    "under it": "http://a.b.Blocked.co.uk:8080/c?d#e",
    "in other letters": "https://münchen.example/straße",
    "in ASCII": "https://shop.xn--mnchen-3ya.example/",
    "blocked host": "https://www.half.example/x",
    "its neighbour": "https://half.example/x",
    "blocked address": "https://half.example/list?id=1",
    "hard word": "https://harbour.example/the-casino/",
    "soft words": "https://bet.example/win?win=1",
    "subword": "https://harbour.example/get-free-money-now",
    "in numbers": "http://192.0.2.7/",
    "no scheme": "harbour.example/page",
}

NASTY_URLS: Mapping[str, str | None] = {
    "null": None,
    "empty": "",
    "white space": " \t\n",
    "no URL": "see the page",
    "no host": "data:text/html,casino",
    "scheme only": "https://",
    "bad port": "https://harbour.example:99999999/",
    "bad escapes": "https://harbour.example/%zz%ff%fe%00%",
    "NULs": "https://har\0bour.example/\0",
    "controls": "https://harbour.example/\r\n\x1b\x7f\x85",
    "every character of the first plane": "https://harbour.example/" + "".join(chr(p) for p in range(0x10000) if not 0xD800 <= p < 0xE000),
    "every character in a host": "https://" + "".join(chr(p) for p in range(0xA0, 0x3000)) + ".example/",
    "labels without end": "https://" + "a." * 200_000 + "blocked.example/",
    "dots": "https://" + "." * 100_000 + "/",
    "path without end": "https://harbour.example/" + "free-" * 200_000,
    "IPv6": "https://[2001:db8::1]:8443/",
    "broken IPv6": "https://[2001:db8::1/",
    "no Punycode": "https://xn--a\u0301-.xn--99999999.example/",
    "name and password": "https://blocked.example:casino@harbour.example/",
    "right to left": f"https://{ARABIC[:2]}.example/{ARABIC}",
    "many signs": "https://" + "@" * 50_000 + "/",
}


def batch(count: int, **columns: pa.Array) -> pa.RecordBatch:
    """A batch of `count` input records; columns that are not given are null, but for those that may not be."""
    given = {
        "doc_id": schema.doc_ids([schema.doc_id("test", str(row).encode()) for row in range(count)]),
        "source": pa.array(["test"] * count),
        "file": pa.array(["test.warc"] * count),
        "offset": pa.array(range(count), pa.int64()),
        "bytes": pa.array([0] * count, pa.int64()),
        **columns,
    }
    arrays = [given.get(field.name, pa.nulls(count, field.type)) for field in schema.INPUT]
    return pa.record_batch(arrays, schema=schema.INPUT)


def text_batch(texts: list[str] | list[str | None]) -> pa.RecordBatch:
    """Records that have their text."""
    return batch(len(texts), text=pa.array(texts, pa.string()))


def page_batch(pages: list[bytes] | list[bytes | None], content_type: str | None = "text/html") -> pa.RecordBatch:
    """Records of fetched pages."""
    types = pa.array([content_type] * len(pages), pa.string())
    return batch(len(pages), content=pa.array(pages, pa.binary()), content_type=types)


def url_batch(urls: list[str] | list[str | None]) -> pa.RecordBatch:
    """Records of fetched pages, by their addresses alone."""
    return batch(len(urls), url=pa.array(urls, pa.string()))
