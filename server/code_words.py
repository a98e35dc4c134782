"""What a clinic's code means and what a coordinator does about it, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from study.wire import Code


@dataclass(frozen=True)
class CodeWords:
    """A code's cause, its remedy, and whether it is sure that the clinic spent nothing."""

    cause: str
    remedy: str
    spends_nothing: bool = False


CODE_WORDS: Mapping[str, CodeWords] = {
    Code.RELEASED.name: CodeWords("The clinic released its noisy sum.", "Nothing to do."),
    Code.INTERNAL.name: CodeWords(
        "The clinic's agent met an error that nobody foresaw.",
        "Ask the clinic for the last lines of its agent.log; they stay there.",
    ),
    Code.MALFORMED.name: CodeWords(
        "The clinic's agent could not read the request.",
        "Compare the versions of server, relay and agent: they must be one.",
    ),
    Code.OTHER_PROTOCOL.name: CodeWords(
        "The protocol on the clinic's disk is another one.",
        "Compare digests with insula study check; send the clinic the signed file again.",
        spends_nothing=True,
    ),
    Code.NO_SUCH_ROUND.name: CodeWords(
        "The clinic was asked for a round that its protocol does not have.",
        "Compare release.rounds of both files.",
        spends_nothing=True,
    ),
    Code.BAD_SHARED_VECTOR.name: CodeWords(
        "The shared vector was of another length, or not finite.",
        "Compare release.dimension of both files, and the public start.",
        spends_nothing=True,
    ),
    Code.REFUSED.name: CodeWords(
        "The clinic's policy, its ledger or its gate said no.",
        "Ask the clinic. Do not press: the reason is in its agent.log, and it is theirs.",
    ),
    Code.NO_AGENT.name: CodeWords(
        "The clinic's relay is there and its agent did not answer.",
        "Ask the clinic to start its agent.",
    ),
    Code.NO_REPLY.name: CodeWords(
        "Nothing came from the clinic before the deadline.",
        "Ask the clinic whether its relay runs and reaches the server.",
    ),
    Code.BAD_RELEASE.name: CodeWords(
        "What came was of another shape, not finite, or came twice under one name.",
        "Ask the clinic for its version; look for a second machine under its name.",
    ),
    Code.OLD_RELEASE.name: CodeWords(
        "What came was the release of an earlier round once more.",
        "Ask the clinic to start relay and agent again; compare their versions with the server's.",
    ),
    Code.TOO_LARGE.name: CodeWords(
        "The release was longer than the declared patients and the noise can make it.",
        "Ask the clinic whether it enrolled more patients than it declared; compare versions.",
    ),
    Code.WITNESSED.name: CodeWords(
        "The clinic signed the others' ledgers and was asked for no release.", "Nothing to do."
    ),
    Code.BAD_WITNESS.name: CodeWords(
        "What the clinic was shown of the others' ledgers cannot be read.",
        "Compare the versions of server and clinic; look whether server/witness.json was changed.",
    ),
    Code.ROLLED_BACK.name: CodeWords(
        "The clinic's ledger is older than what the others have seen of it.",
        "Ask the clinic: its folder was put back. It releases nothing until that is mended.",
    ),
}
UNKNOWN = CodeWords("A code that this version does not know.", "Compare versions with the clinic.")


def words_of(code: str) -> CodeWords:
    """Words for a code by its name."""
    return CODE_WORDS.get(code, UNKNOWN)
