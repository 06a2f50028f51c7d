"""The errors that harness raises on purpose, and the exit status of each.

::

    HarnessError                          4
    ├── UsageError                        2: what was typed or passed cannot be used
    │   └── CatalogError                     a catalog of images (harness.matrix.catalog)
    ├── StateError                        2: it can be meant, and not at this moment
    │   └── SessionOverError                 the machine of a session is gone
    ├── RecordError                       2: what was recorded cannot be read
    ├── FaultError                        4: nothing is said about the image
    │   ├── HostError                        this host is at fault: host.*
    │   │   ├── ArchiveUnreachableError
    │   │   ├── AttemptFailedError
    │   │   ├── DeadlineError
    │   │   ├── ImageChangedError
    │   │   ├── InterruptedRunError
    │   │   ├── KvmUnusableError
    │   │   ├── LibvirtLostError
    │   │   ├── LibvirtUnreachableError
    │   │   ├── MissingToolError
    │   │   ├── NoNetworkError
    │   │   ├── NoSpaceError
    │   │   ├── OutOfMemoryError
    │   │   ├── QemuError
    │   │   ├── ReadFailedError
    │   │   ├── RecipeFailedError
    │   │   ├── TpmError
    │   │   └── WorkerLostError
    │   └── InternalError                    harness itself is at fault: internal.error
    ├── ChecksumError                     1: another file than its checksum names (harness.net)
    ├── LinkError                         1: a link that serves no image (harness.net)
    ├── RefusedError                      1: the provider takes no such image (harness.session)
    ├── StageError                        1: a boot does not get so far (harness.session)
    │   └── StageTimeoutError
    └── CaughtError                       4: inside harness alone: who calls catches it
        ├── FormatError                      bytes that are not in the form they are read in
        │   ├── InitramfsError               (harness.image.os)
        │   ├── NotRfbError                  (harness.console.web)
        │   ├── PackingError                 (harness.image.os)
        │   │   └── UnknownPackingError
        │   ├── ParcelError                  (harness.matrix)
        │   ├── PictureError                 (harness.screen)
        │   ├── UnreadableEventError         a line of evidence (harness.evidence)
        │   │   └── CutLineError
        │   └── WimError                     (harness.image.os)
        ├── OutOfReachError                  bytes that a server does not give (harness.image)
        ├── StoppedError                     an attempt that was told to stop (harness.matrix)
        ├── TooLongError                     a program that was not done in time (harness.host)
        ├── TooSlowError                     a browser that takes too little (harness.console.web)
        └── _UnreadError                     (harness.examine.windows_setup)

What an image does wrong is not an error of the program: it is a finding
(:mod:`harness.model.finding`). Any other exception is a bug of harness, and becomes an
InternalError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pydantic import ValidationError


class HarnessError(Exception):
    """Base of all of them. ``str()`` is one sentence: what, where, what to do."""

    exit_status = 4


class UsageError(HarnessError):
    """What was typed or passed cannot be used: a missing file, a bad option."""

    exit_status = 2


class StateError(HarnessError):
    """What is asked can be meant, and cannot be done now: a recorded run is touched, say."""

    exit_status = 2


class SessionOverError(StateError):
    """The machine of a session is gone."""


class RecordError(HarnessError):
    """What was recorded of a run or a matrix is damaged, or is not whole."""

    exit_status = 2


class FaultError(HarnessError):
    """A fault that says nothing about the image; its class says which.

    ``finding_id`` is the cause of the result, ``remedy`` what to do, "" where the catalog of
    findings says all that is known of it. Only classes with a ``finding_id`` are raised.
    """

    finding_id: ClassVar[str]

    def __init__(self, message: str, remedy: str = "") -> None:
        if not hasattr(self, "finding_id"):
            raise TypeError(f"{type(self).__name__} has no finding: raise a subclass of it")
        super().__init__(message)
        self.remedy = remedy


class HostError(FaultError):
    """The host cannot do what was asked."""


class ArchiveUnreachableError(HostError):
    """The package archive of an installation cannot be read."""

    finding_id = "host.archive-unreachable"


class AttemptFailedError(HostError):
    """The program that tries an image of a matrix ended without a result."""

    finding_id = "host.attempt-failed"


class DeadlineError(HostError):
    """An image of a matrix was not decided in the time that its entry gives it."""

    finding_id = "host.deadline"


class ImageChangedError(HostError):
    """Somebody else writes to the image, or has it open for that."""

    finding_id = "host.image-changed"


class InterruptedRunError(HostError):
    """The run was ended before anything was decided."""

    finding_id = "host.interrupted"


class KvmUnusableError(HostError):
    """KVM was asked for by name, and does not run 64-bit code here."""

    finding_id = "host.kvm-unusable"


class LibvirtLostError(HostError):
    """The connection to libvirt broke while its machine ran."""

    finding_id = "host.libvirt-lost"


class LibvirtUnreachableError(HostError):
    """No libvirt answers at the address that was asked."""

    finding_id = "host.libvirt-unreachable"


class MissingToolError(HostError):
    """A program, a firmware or a module is not installed, or too old."""

    finding_id = "host.missing-tool"


class NoNetworkError(HostError):
    """The host has no way to a server."""

    finding_id = "host.no-network"


class NoSpaceError(HostError):
    """A file cannot be written: there is no room for it, or no folder."""

    finding_id = "host.no-space"


class OutOfMemoryError(HostError):
    """The host's memory was not enough for the machine."""

    finding_id = "host.out-of-memory"


class QemuError(HostError):
    """QEMU does not start, has ended by itself, or does not answer."""

    finding_id = "host.qemu-crashed"


class ReadFailedError(HostError):
    """The image file cannot be read."""

    finding_id = "host.read-failed"


class RecipeFailedError(HostError):
    """The image of a recipe could not be built."""

    finding_id = "host.recipe-failed"


class TpmError(HostError):
    """swtpm ended before the machine had started."""

    finding_id = "host.tpm-failed"


class WorkerLostError(HostError):
    """No worker of a cluster tried an image to its end."""

    finding_id = "host.worker-lost"


class InternalError(FaultError):
    """A bug of harness: an exception that nobody raised on purpose.

    ``traceback_file`` is where its traceback lies, "" where it was not written.
    """

    finding_id = "internal.error"

    def __init__(self, message: str, remedy: str = "", traceback_file: str = "") -> None:
        super().__init__(message, remedy)
        self.traceback_file = traceback_file


class CaughtError(HarnessError):
    """Raised for a caller inside harness, which catches it: nobody else meets one."""


class FormatError(CaughtError):
    """Bytes are not in the form that they are read in. ``str()`` says why."""


def fault_of(finding_id: str, message: str) -> FaultError:
    """The error that stands for a recorded fault.

    One that no class is named for, of a record of another version, is an InterruptedRunError.
    """
    known: tuple[type[FaultError], ...] = (*HostError.__subclasses__(), InternalError)
    classes = {kind.finding_id: kind for kind in known}
    return classes.get(finding_id, InterruptedRunError)(message)


def faults_in_words(error: ValidationError) -> str:
    """Every fault of data that does not validate, with its place: ``rule.0.id: Field required``."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()
    )
