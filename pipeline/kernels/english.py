"""English words that are cut otherwise than the rules of punctuation say: contractions, abbreviations, faces.

The set is that of spaCy's English tokenizer (explosion/spaCy, `lang/en/tokenizer_exceptions.py`), which is what the
published filters count as words; the test module holds the two against each other.
"""

# ruff: noqa: RUF001  # faces are written with such characters

from __future__ import annotations

from collections.abc import Iterator

Pieces = tuple[str, ...]

_PERSONS = {
    "i": "m ma d ll ve",
    "you": "d ll ve re",
    "he": "d ll s",
    "she": "d ll s",
    "it": "d ll s",
    "we": "d ll ve re",
    "they": "d ll ve re",
}
_QUESTIONS = "who what when where why how there that this these those"
_NEGATED = "ca could do does did had may might must need ought sha should wo would"
_NEGATED_ONLY = "ai are is was were have has dare"
_MODALS = "could might must should would"
_NOT_CONTRACTED = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore"

_PIECES = """y'|all y|all how|'d|'y How|'d|'y not|'ve not|ve Not|'ve Not|ve can|not Can|not gon|na Gon|na got|ta Got|ta let|'s Let|'s
c'm|on C'm|on °|c|. °|f|. °|k|. °|C|. °|F|. °|K|. """

_WHOLE = r"""em 'em ll 'll nuff 'nuff 'S 's ‘S ‘s and/or w/o 're 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout ma'am Ma'am
o'clock O'clock lovin' Lovin' havin' Havin' doin' Doin' goin' Goin' nothin' Nothin' nuthin' Nuthin' ol' Ol' somethin' Somethin' 'd
Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La.
Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va.
Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont.
Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. \t \n — ' \") <space> '' C++ ä. ö. ü.
:) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-; :( :-( :(( :-(( :((( :-(((
): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0 :-0 :() >:o :* :-* :3 :-3 =3 :> :->
:X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._. ;_; -_- -__- v.v V.V v_v V_V o_o o_O O_o O_O
0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) (*_*) (¬_¬) ಠ_ಠ ಠ︵ಠ (ಠ_ಠ) ¯\(ツ)/¯
(╯°□°）╯︵┻━┻ ><(((*>"""

_UNITS = """km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar
mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ нм кг г мг м/с км/ч кПа Па мбар Кб КБ кб Мб
МБ мб Гб ГБ гб Тб ТБ كم كم² كم³ م م² م³ سم سم² سم³ مم مم² مم³ غرام جرام جم كغ ملغ كوب اكواب"""


def _with_endings(word: str, endings: list[Pieces]) -> Iterator[Pieces]:
    """The word with each ending, with and without apostrophes, in lower and title case."""
    for spelled in (word, word.title()):
        for ending in endings:
            yield spelled, *ending
            yield spelled, *(piece.replace("'", "") for piece in ending)


def _person_endings(endings: str) -> list[Pieces]:
    pieces: list[Pieces] = [(f"'{ending}",) for ending in endings.split() if ending != "ma"]
    pieces += [("'ll", "'ve"), ("'d", "'ve")]
    return pieces + ([("'m", "a")] if "ma" in endings.split() else [])


def _question_endings(word: str) -> list[Pieces]:
    endings: list[Pieces] = [("'ll",), ("'ll", "'ve"), ("'d",), ("'d", "'ve")]
    if word not in ("these", "those"):
        endings.append(("'s",))
    if word not in ("that", "this"):
        endings += [("'re",), ("'ve",)]
    return endings


def _contractions() -> Iterator[Pieces]:
    for word, endings in _PERSONS.items():
        yield from _with_endings(word, _person_endings(endings))
    for word in _QUESTIONS.split():
        yield from _with_endings(word, _question_endings(word))
    for word in _NEGATED.split():
        yield from _with_endings(word, [("n't",), ("n't", "'ve")])
    for word in _NEGATED_ONLY.split():
        yield from _with_endings(word, [("n't",)])
    for word in _MODALS.split():
        yield from _with_endings(word, [("'ve",)])
    for hour in range(1, 13):
        for half in ("a.m.", "am", "p.m.", "pm"):
            yield str(hour), half


def exceptions() -> dict[str, Pieces]:
    """Each exceptional word and the words that it is cut into, one where it stays whole."""
    found = {"".join(pieces): pieces for pieces in _contractions()}
    found |= {piece.replace("|", ""): tuple(piece.split("|")) for piece in _PIECES.split()}
    found |= {word: (word,) for word in _WHOLE.split()}
    found |= {f"{letter}.": (f"{letter}.",) for letter in "abcdefghijklmnopqrstuvwxyz"}
    found |= {word.replace("'", "’"): tuple(piece.replace("'", "’") for piece in pieces) for word, pieces in found.items()}
    return {word: pieces for word, pieces in found.items() if word not in _NOT_CONTRACTED.split()}


def units() -> list[str]:
    """What is split off after a digit."""
    return _UNITS.split()
