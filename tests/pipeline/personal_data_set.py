"""Personal data made up in many countries' forms, and what merely looks like it, each in a sentence, a record or a line of code."""

# ruff: noqa: RUF001  # these characters are meant

from __future__ import annotations

import ipaddress
import random
import string
from collections.abc import Callable
from typing import NamedTuple


class Case(NamedTuple):
    """A text and what is planted in it: bytes `start` to `end`, of `kind`; a near-miss has none, and `sort` says what it is."""

    text: str
    sort: str
    kind: str | None
    start: int = 0
    end: int = 0


# "#" is a digit, "N" one from 2 to 9.
PHONES = {
    "US": [
        "(N##) N##-####",
        "N##-N##-####",
        "N##.N##.####",
        "+1 N## N## ####",
        "+1-N##-N##-####",
        "1-N##-N##-####",
        "+1 (N##) N##-####",
        "N## N## ####",
        "(N##)N##-####",
        "1 (N##) N##-####",
        "+1N##N######",
        "1-800-N##-####",
    ],
    "UK": [
        "020 7### ####",
        "+44 20 7### ####",
        "+44 (0)20 7### ####",
        "01632 960###",
        "07### ######",
        "0161 496 0###",
        "(020) 7### ####",
        "+447#########",
        "0800 ### ####",
        "07### ### ###",
    ],
    "Germany": [
        "030 #######",
        "+49 30 #######",
        "+49 (0)89 ######-##",
        "0171 #######",
        "089/######",
        "0049 89 ######",
        "(030) ########",
        "030 / ### ## ##",
        "0171-#######",
        "+49 171 #######",
    ],
    "France": ["01 ## ## ## ##", "+33 1 ## ## ## ##", "06.##.##.##.##", "+33 (0)6 ## ## ## ##", "01-##-##-##-##", "+336########"],
    "Italy": ["+39 06 #### ####", "02 #### ####", "06 #######", "+39 3## ### ####"],
    "Spain": ["+34 9## ### ###", "91 ### ## ##", "+34 6## ## ## ##"],
    "Netherlands": ["020 ### ####", "06-########", "+31 20 ### ####", "010-#######", "06 ########"],
    "Belgium": ["02 ### ## ##", "+32 2 ### ## ##", "0470 ## ## ##"],
    "Switzerland": ["044 ### ## ##", "+41 44 ### ## ##", "079 ### ## ##"],
    "Austria": ["01 #######", "+43 1 #######", "0664 #######"],
    "Sweden": ["08-### ### ##", "+46 8 ### ### ##", "070-### ## ##"],
    "Norway": ["+47 ## ## ## ##"],
    "Denmark": ["+45 ## ## ## ##"],
    "Finland": ["+358 9 ######", "040 #######", "09 ### ####"],
    "Poland": ["+48 ### ### ###", "22 ### ## ##"],
    "Czechia": ["+420 ### ### ###"],
    "Russia": ["8 (495) ###-##-##", "+7 495 ###-##-##", "8-800-###-##-##", "+7 (9##) ###-##-##"],
    "Ukraine": ["+380 44 ### ## ##", "044 ### ## ##"],
    "Japan": ["03-####-####", "090-####-####", "+81 3-####-####", "0120-###-###", "03(####)####"],
    "Korea": ["02-####-####", "010-####-####", "+82 2 #### ####"],
    "China": ["010-########", "+86 10 #### ####", "138 #### ####", "021-#### ####", "+86 138 #### ####"],
    "India": ["+91 98### #####", "022-########", "+91-98########"],
    "Australia": ["(02) #### ####", "0412 ### ###", "+61 2 #### ####", "1300 ### ###", "+61 412 ### ###"],
    "New Zealand": ["09 ### ####", "+64 9 ### ####", "021 ### ####"],
    "Brazil": ["(11) 9####-####", "+55 11 9####-####", "(21) ####-####", "+55 (21) ####-####"],
    "Mexico": ["+52 55 #### ####", "(55) ####-####"],
    "South Africa": ["011 ### ####", "+27 82 ### ####"],
    "Turkey": ["0212 ### ## ##", "+90 532 ### ## ##"],
    "Israel": ["03-###-####", "+972 3 ### ####", "052-#######"],
    "Greece": ["+30 210 ### ####"],
    "Portugal": ["+351 21 ### ####"],
    "Ireland": ["+353 1 ### ####", "01 ### ####"],
    "Singapore": ["+65 6### ####"],
    "Hong Kong": ["+852 N### ####"],
    "Argentina": ["+54 11 ####-####", "011 ####-####"],
    "Egypt": ["+20 2 ########"],
    "Nigeria": ["0803 ### ####", "+234 803 ### ####"],
    "Kenya": ["+254 7## ######"],
    "Emirates": ["+971 50 ### ####"],
    "Saudi Arabia": ["+966 11 ### ####"],
    "Thailand": ["02-###-####", "+66 2 ### ####"],
    "Indonesia": ["021-#######", "+62 812-####-####"],
    "Philippines": ["+63 917 ### ####"],
    "Vietnam": ["+84 24 #### ####"],
    "Malaysia": ["03-#### ####", "+60 3-#### ####"],
}
ANNOUNCED = [
    "tel. {N### ####}",
    "Call {N##-####} now",
    "phone: {0N########}",
    "Telefon {60# ### ###}",
    "fax: {22 ## ## ##}",
    "WhatsApp {9#########}",
    "call us at {N##-####}",
    "mobile no. {98### #####}",
    "тел. {495 ###-##-##}",
    "电话：{138########}",
    "Tél : {0# ## ## ## ##}",
    "text {07#########}",
    "Ph: {02 #### ####}",
]

# The account's part of an IBAN by country, as SWIFT's registry writes it: n digits, a capitals, c either.
# fmt: off
IBANS = {
    "AD": "8n12c", "AE": "19n", "AL": "8n16c", "AT": "16n", "AZ": "4a20c", "BA": "16n", "BE": "12n", "BG": "4a6n8c", "BH": "4a14c",
    "BI": "23n", "BR": "23n1a1c", "BY": "4c4n16c", "CH": "5n12c", "CR": "18n", "CY": "8n16c", "CZ": "20n", "DE": "18n", "DJ": "23n",
    "DK": "14n", "DO": "4c20n", "EE": "16n", "EG": "25n", "ES": "20n", "FI": "14n", "FK": "2a12n", "FO": "14n", "FR": "10n11c2n",
    "GB": "4a14n", "GE": "2a16n", "GI": "4a15c", "GL": "14n", "GR": "7n16c", "GT": "4c20c", "HN": "4a20n", "HR": "17n", "HU": "24n",
    "IE": "4a14n", "IL": "19n", "IQ": "4a15n", "IS": "22n", "IT": "1a10n12c", "JO": "4a4n18c", "KW": "4a22c", "KZ": "3n13c",
    "LB": "4n20c", "LC": "4a24c", "LI": "5n12c", "LT": "16n", "LU": "3n13c", "LV": "4a13c", "LY": "21n", "MC": "10n11c2n", "MD": "2c18c",
    "ME": "18n", "MK": "3n10c2n", "MN": "16n", "MR": "23n", "MT": "4a5n18c", "MU": "4a19n3a", "NI": "4a20n", "NL": "4a10n", "NO": "11n",
    "OM": "3n16c", "PK": "4a16c", "PL": "24n", "PS": "4a21c", "PT": "21n", "QA": "4a21c", "RO": "4a16c", "RS": "18n", "RU": "14n15c",
    "SA": "2n18c", "SC": "4a20n3a", "SD": "14n", "SE": "20n", "SI": "15n", "SK": "20n", "SM": "1a10n12c", "SO": "19n", "ST": "21n",
    "SV": "4a20n", "TL": "19n", "TN": "20n", "TR": "5n1n16c", "UA": "6n19c", "VA": "18n", "VG": "4a16n", "XK": "16n", "YE": "4a4n18c",
}
# fmt: on
CARDS = {
    "Visa": (["4"], 16, (4, 4, 4, 4)),
    "Mastercard": (["51", "52", "53", "54", "55", "2221", "2500", "2720"], 16, (4, 4, 4, 4)),
    "American Express": (["34", "37"], 15, (4, 6, 5)),
    "Discover": (["6011", "644", "65"], 16, (4, 4, 4, 4)),
    "JCB": (["3528", "3566", "3589"], 16, (4, 4, 4, 4)),
    "Diners Club": (["36", "300", "38"], 14, (4, 6, 4)),
    "UnionPay": (["62"], 19, (4, 4, 4, 4, 3)),
}

SETTINGS = [
    "{}",
    "The record says {} and nothing else.",
    "See {}.",
    "({})",
    'x = "{}"',
    "<td>{}</td>",
    "In the notes of 2019: {}, as agreed.",
    "name,{},Berlin",
    "* {}\n* second\n",
    "log: {} ok",
    "It was {}; we know.",
    "[{}]",
    "> {}\n",
    "'{}'",
    "Is it {}?",
    "values: {} (see page 12)",
]
MAIL_SETTINGS = ["mailto:{}", "<{}>", "Email:{}", "a={}&b=1", "写信给{}谢谢", "{}:", "{}...", "cc: bob, {}, eve", "“{}”", "/{}/"]
IP_SETTINGS = ["host={},", "from {} port 22", "inet {} netmask", "DNS is at {}.", "{} - - [10/Oct/2023:13:55:36] GET"]


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def hexadecimal(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("0123456789abcdef", k=count))


def filled(rng: random.Random, form: str) -> str:
    return "".join(rng.choice("23456789") if c == "N" else rng.choice(string.digits) if c == "#" else c for c in form)


def planted(kind: str, sort: str, setting: str, item: str) -> Case:
    """A case from a setting whose one pair of braces is where the item goes."""
    before, after = setting.split("{}")
    start = len(before.encode())
    return Case(before + item + after, sort, kind, start, start + len(item.encode()))


def phone_cases(rng: random.Random) -> list[Case]:
    every = [(country, form) for country, forms in PHONES.items() for form in forms]
    cases = [planted("phone", country, rng.choice(SETTINGS), filled(rng, form)) for country, form in every for _ in range(5)]
    cases += [
        planted("phone", "US", "Reach me on {} " + extension, filled(rng, "N##-N##-####")) for extension in ("x123", "ext. 12", "or not")
    ]
    for form in ANNOUNCED * 5:
        before, _, rest = form.partition("{")
        item, _, after = rest.partition("}")
        cases.append(planted("phone", "announced", f"{before}{{}}{after}", filled(rng, item)))
    return cases


def email(rng: random.Random) -> str:
    first, last = (
        rng.choice(["anna", "Bob", "li.wei", "o'brien", "j_smith", "x", "sales", "jürgen", "zoë"]),
        rng.choice(["", "+lists", ".k", "-7", "99"]),
    )
    host = rng.choice(["example", "mail.example", "my-shop", "a.b.c.univ", "exämple", "пример", "xn--exmple-cua", "3com", "x"])
    return f"{first}{last}@{host}." + rng.choice(["com", "org", "co.uk", "de", "io", "museum", "info", "xn--p1ai", "COM", "com.br"])


def email_cases(rng: random.Random) -> list[Case]:
    cases = [planted("email", "email", rng.choice(SETTINGS + MAIL_SETTINGS), email(rng)) for _ in range(500)]
    return cases + [planted("email", "other scripts", setting, "用户@例子.公司") for setting in SETTINGS[:4]]


def public_v4(rng: random.Random) -> str:
    while True:
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def public_v6(rng: random.Random) -> str:
    groups = [f"{rng.randrange(0x2400, 0x2C10):x}", *(f"{rng.getrandbits(16):x}" for _ in range(7))]
    for place in range(1 + rng.randrange(1, 4), rng.choice([2, 4, 6, 8])):
        groups[place] = "0"
    address = ipaddress.IPv6Address(":".join(groups))
    written = rng.choice([str(address), str(address), address.exploded, ":".join(groups)])
    return rng.choice([written, written, written.upper()])


def ip_cases(rng: random.Random) -> list[Case]:
    cases = [planted("ip_address", "IPv4", rng.choice(SETTINGS + IP_SETTINGS), public_v4(rng)) for _ in range(250)]
    cases += [
        planted("ip_address", "IPv4 in URLs", rng.choice(["http://{}/a", "https://{}:8443/", "{}:80", "ssh root@{}"]), public_v4(rng))
        for _ in range(60)
    ]
    cases += [planted("ip_address", "IPv6", rng.choice(SETTINGS + IP_SETTINGS), public_v6(rng)) for _ in range(250)]
    return cases + [planted("ip_address", "IPv6 in URLs", rng.choice(["http://[{}]/", "[{}]:443"]), public_v6(rng)) for _ in range(60)]


def iban(rng: random.Random, country: str) -> str:
    form, account, size = IBANS[country], "", ""
    for character in form:
        if character.isdigit():
            size += character
            continue
        letters = {"n": string.digits, "a": string.ascii_uppercase, "c": string.ascii_uppercase + string.digits}[character]
        account, size = account + "".join(rng.choices(letters, k=int(size))), ""
    number = int("".join(str(int(character, 36)) for character in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02}{account}"


def in_fours(written: str) -> str:
    return " ".join(written[place : place + 4] for place in range(0, len(written), 4))


def iban_cases(rng: random.Random) -> list[Case]:
    every = [(country, iban(rng, country)) for country in IBANS for _ in range(5)]
    return [planted("iban", country, rng.choice(SETTINGS), rng.choice([each, in_fours(each)])) for country, each in every]


def luhn(body: str) -> str:
    """The check digit."""
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def card(rng: random.Random, issuer: str) -> str:
    prefixes, length, _ = CARDS[issuer]
    prefix = rng.choice(prefixes)
    body = prefix + digits(rng, length - len(prefix) - 1)
    return body + luhn(body)


def grouped(written: str, groups: tuple[int, ...], separator: str) -> str:
    parts, place = [], 0
    for size in groups:
        parts.append(written[place : place + size])
        place += size
    return separator.join(parts)


def card_cases(rng: random.Random) -> list[Case]:
    cases = []
    for issuer, (_, _, groups) in CARDS.items():
        for separator in ["", " ", "-"] * 20:
            cases.append(planted("card", issuer, rng.choice(SETTINGS), grouped(card(rng, issuer), groups, separator)))
    return cases


def wrong_card(rng: random.Random) -> str:
    right = card(rng, rng.choice(["Visa", "Mastercard", "Discover"]))
    return grouped(right[:-1] + str((int(right[-1]) + rng.randrange(1, 10)) % 10), (4, 4, 4, 4), rng.choice(["", " ", "-"]))


def wrong_iban(rng: random.Random) -> str:
    right = iban(rng, rng.choice(list(IBANS)))
    wrong = f"{right[:2]}{(int(right[2:4]) + rng.randrange(1, 90)) % 97:02}{right[4:]}"
    return rng.choice([wrong, in_fours(wrong)])


def isbn(rng: random.Random) -> str:
    return filled(
        rng,
        rng.choice(
            [
                "978-0-###-#####-#",
                "978-3-16-######-#",
                "978#########",
                "0-###-#####-#",
                "0#########",
                "979-10-#####-##-#",
                "ISBN 0 ## ###### X",
            ]
        ),
    )


def day(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(1950, 2030), rng.randrange(1, 13), rng.randrange(1, 29)


def date(rng: random.Random) -> str:
    year, month, number = day(rng)
    forms = [
        "{0}-{1:02}-{2:02}",
        "{1:02}/{2:02}/{0}",
        "{2:02}.{1:02}.{0}",
        "{2}-{1}-{0}",
        "{0}/{1:02}/{2:02}",
        "{0}{1:02}{2:02}",
        "{1}/{2}/{0}",
    ]
    return rng.choice(forms).format(year, month, number)


def timestamp(rng: random.Random) -> str:
    time = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    return rng.choice(
        [f"{date(rng)} {time}", f"{date(rng)}T{time}Z", f"{date(rng)}, {time[:5]}", f"{date(rng)} {time}.{digits(rng, 3)} +0200"]
    )


def private_v4(rng: random.Random) -> str:
    network = ipaddress.IPv4Network(
        rng.choice(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24", "100.64.0.0/10"])
    )
    return f"{network[rng.randrange(network.num_addresses)]}" + rng.choice(["", "/24", ":8080", "/8"])


def version(rng: random.Random) -> str:
    three = f"{rng.randrange(30)}.{rng.randrange(60)}.{rng.randrange(200)}"
    return rng.choice(
        [three, f"v{three}-rc.{rng.randrange(9)}", f"^{three}", f"~> {three}", f"=={three}", f"{three}+build.{digits(rng, 4)}"]
    )


def long_version(rng: random.Random) -> str:
    four = f"{rng.randrange(1, 30)}.{rng.randrange(60)}.{rng.randrange(200)}.{rng.randrange(250)}"
    forms = [
        "version {}",
        "v{}",
        "Version: {}",
        "release {}",
        "(>= {})",
        "Firefox/{}",
        "libfoo-{}",
        "build {}",
        "{}-beta2",
        "firmware {}",
        "ver. {}",
    ]
    return rng.choice(forms).format(four)


def mac(rng: random.Random) -> str:
    pairs = [hexadecimal(rng, 2) for _ in range(6)]
    return rng.choice([":".join(pairs), "-".join(pairs).upper(), ".".join("".join(pairs)[i : i + 4] for i in (0, 4, 8))])


NEAR_MISSES: dict[str, Callable[[random.Random], str]] = {
    "versions": version,
    "versions of four numbers": long_version,
    "sections": lambda rng: ".".join(str(rng.randrange(1, 15)) for _ in range(4)) + rng.choice(["", ".", " Scope"]),
    "dates": date,
    "times": timestamp,
    "durations": lambda rng: filled(rng, rng.choice(["0#:1#:2#", "1#:00:5#.###", "01:02:0#,###"])),
    "seconds since 1970": lambda rng: filled(rng, rng.choice(["16########", "17###########"])),
    "hashes": lambda rng: hexadecimal(rng, rng.choice([32, 40, 64])),
    "commits": lambda rng: rng.choice(["commit {}", "{}", "@{}", "{}..{}"]).replace("{}", hexadecimal(rng, rng.choice([7, 12, 40]))),
    "UUIDs": lambda rng: "-".join(hexadecimal(rng, size) for size in (8, 4, 4, 4, 12)),
    "UUIDs of digits": lambda rng: "-".join(digits(rng, size) for size in (8, 4, 4, 4, 12)),
    "ISBNs": isbn,
    "ISSNs": lambda rng: filled(rng, rng.choice(["ISSN ####-####", "####-####", "ISSN ####-###X"])),
    "DOIs": lambda rng: filled(
        rng, rng.choice(["doi:10.####/#####.####", "10.####/s#####-0##-#####-#", "10.####/j.1###-####.20##.0####.x"])
    ),
    "prices": lambda rng: filled(
        rng, rng.choice(["$N,###,###.##", "€ N#.###.###,00", "N ### ### USD", "£N##,###", "$ N## N## ####", "N## ### kr"])
    ),
    "mathematics": lambda rng: filled(
        rng,
        rng.choice(["3.14159265 * N", "N^31 = 2147483648", "x = 123-45*7890", "N### + N### = ####", "1e+10000000", "(N##) * (N##-####)"]),
    ),
    "coordinates": lambda rng: filled(
        rng, rng.choice(["N#.######, -7#.######", "N#.###### 13.######", "(-3#.#####, 151.#####)", "N#° 5#' 3#\" N"])
    ),
    "addresses that are not public": private_v4,
    "IPv6 addresses that are not public": lambda rng: rng.choice(
        ["fe80::{}:{}", "::1", "2001:db8::{}", "fd00:{}::{}", "ff02::{}", "2002:{}::{}"]
    ).replace("{}", hexadecimal(rng, 4)),
    "decorators": lambda rng: rng.choice(["@property", "@pytest.mark.slow", "@app.route('/')", "@param", "@Override", "@media print"]),
    "remote hosts": lambda rng: rng.choice(
        ["root@server1", "deploy@localhost:~/src", "user@host", "git@github.com:user/repo.git", "me@build-7:/srv"]
    ),
    "packages": lambda rng: (
        rng.choice(["@types/node@18.1#.N", "lodash@4.17.N#", "react@^18.N.0", "@scope/pkg@1.2.3", "left-pad@1.N.x"])
        .replace("#", "1")
        .replace("N", rng.choice("23456789"))
    ),
    "handles": lambda rng: rng.choice(["@user@mastodon.social", "@jack", "u/someone", "#@!%", "name@", "@ home", "a @ b . com"]),
    "files": lambda rng: rng.choice(["icon@2x.png", "sprite@3x.webp", "photo@small.jpg", "bundle@latest.js"]),
    "code": lambda rng: rng.choice(
        ["A@B.T", "x@w.T + b", "std::vector<int>", "ace::bad::cafe", "a[1:2:3]", "Foo::Bar::baz", "f(0, 1, 2, 3)", "0xdeadbeef12345678"]
    ),
    "user names in URLs": lambda rng: rng.choice(
        ["https://user:secret@example.com/", "postgres://app:pw@db.example.com:5432/x", "ftp://joe@files.example.org"]
    ),
    "cards that fail Luhn's test": wrong_card,
    "IBANs of a wrong checksum": wrong_iban,
    "MAC addresses": mac,
    "serial numbers": lambda rng: filled(
        rng, rng.choice(["SN-####-####-AX", "C02XK#YZJ#H5", "S/N: ##########", "0000#######", "00N#########", "EB-##-##-##-##-##A"])
    ),
    "orders": lambda rng: filled(
        rng,
        rng.choice(
            [
                "#1##-#######-#######",
                "ORD-2024011#-00##",
                "order 45########",
                "invoice 2023-00####",
                "INV/20##/0####",
                "114-#######-#######",
            ]
        ),
    ),
    "years": lambda rng: filled(
        rng, rng.choice(["19##-20##", "19##–20##", "(19##-19##)", "19## 19## 20##", "20##/20##", "1914-1918, 1939-1945"])
    ),
    "part numbers": lambda rng: filled(
        rng,
        rng.choice(
            [
                "555-####-###",
                "P/N 800-1##-##",
                "N#-####-###",
                "AB-N##-N##-####",
                "N##-0##-####",
                "1##-N##-####",
                "N##-N##-####-##",
                "N##-N##-####B",
                "N##-###",
                "##-#####-###-#",
            ]
        ),
    ),
    "social security numbers and ZIP codes": lambda rng: filled(
        rng, rng.choice(["0N#-##-####", "N##-##-####", "0N###-####", "NY 1####-####"])
    ),
    "article numbers": lambda rng: filled(rng, rng.choice(["0 ##### ##### #", "# ###### ######", "4##########3", "0############"])),
    "tables": lambda rng: filled(
        rng,
        rng.choice(["N## N## N### N##", "N ### ###", "N## N## #### #### N##", "0.####### 0.#######", "1 N 3 4 5 6 7 8 9", "N## N##\tN###"]),
    ),
    "pages": lambda rng: filled(
        rng, rng.choice(["pp. 1##-1##", "vol. 12 (3) 45-67", "45(12):1###-1###", "p. N#, ll. 1#-2#", "(1998) 123-145"])
    ),
    "scores": lambda rng: filled(rng, rng.choice(["3-2 1-0 4-4", "6-4 6-3 7-6", "N-# (#-#)", "##:##"])),
    "memory": lambda rng: filled(
        rng, rng.choice(["00 1f 22 34 45 67 89 10", "0x12345678##", "00000000: 7f45 4c46 0201 0100", "rw-r--r-- 1 0 0 N#### 2021"])
    ),
    "long numbers": lambda rng: digits(rng, rng.choice([9, 10, 12, 20, 24, 30])).replace("4", "7"),
    "tracking numbers": lambda rng: filled(
        rng, rng.choice(["1Z 999 AA1 01 #### ####", "94## 1### #### #### #### ##", "RR######### DE", "JD0146########"])
    ),
}


def cases(rng: random.Random) -> list[Case]:
    """The whole set: 2,000 planted items or more, and as many near-misses."""
    items = [case for make in (phone_cases, email_cases, ip_cases, iban_cases, card_cases) for case in make(rng)]
    share = -(-len(items) // len(NEAR_MISSES))
    return items + [Case(rng.choice(SETTINGS).format(make(rng)), sort, None) for sort, make in NEAR_MISSES.items() for _ in range(share)]
