"""The errors that harness raises on purpose, and the exit status of each.

::

    HarnessError                          4
    ├── UsageError                        2: invalid input: an option, a file, an argument
    │   └── CatalogError                     a catalog of images (harness.matrix.catalog)
    ├── StateError                        2: a valid request that is not possible now
    │   └── SessionOverError                 the machine of a session is gone
    ├── RecordError                       2: a recording that cannot be read
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
    ├── ChecksumError                     1: a file that does not match its checksum (harness.net)
    ├── LinkError                         1: a link that serves no image (harness.net)
    ├── RefusedError                      1: the provider rejects the image (harness.session)
    ├── StageError                        1: a boot that does not reach a stage (harness.session)
    │   └── StageTimeoutError
    └── CaughtError                       4: always caught inside harness
        ├── FormatError                      bytes that are not in the expected format
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
        ├── TooLongError                     a program that timed out (harness.host)
        ├── TooSlowError                     a browser that reads too slowly (harness.console.web)
        └── _UnreadableWimError              (harness.examine.windows_setup)

A fault of an image is not an error of the program: it is a finding
(:mod:`harness.model.finding`). Any other exception is a bug of harness, and becomes an
InternalError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pydantic import ValidationError


class HarnessError(Exception):
    """The base class of all errors. ``str()`` is one sentence: what, where, what to do."""

    exit_status = 4


class UsageError(HarnessError):
    """Invalid input: a missing file, a bad option."""

    exit_status = 2


class StateError(HarnessError):
    """A valid request that is not possible now, such as a key press in a recorded run."""

    exit_status = 2


class SessionOverError(StateError):
    """A request to a session whose machine has ended."""


class RecordError(HarnessError):
    """A damaged or incomplete recording of a run or a matrix."""

    exit_status = 2


class FaultError(HarnessError):
    """A fault that says nothing about the image.

    ``finding_id`` is the cause of the result. ``remedy`` says what to do; it is "" where the
    remedy in the catalog of findings applies. Only classes with a ``finding_id`` are raised.
    """

    finding_id: ClassVar[str]

    def __init__(self, message: str, remedy: str = "") -> None:
        if not hasattr(self, "finding_id"):
            raise TypeError(f"{type(self).__name__} has no finding: raise a subclass of it")
        super().__init__(message)
        self.remedy = remedy


class HostError(FaultError):
    """A fault of this host."""


class ArchiveUnreachableError(HostError):
    """An unreadable package archive of an installation."""

    finding_id = "host.archive-unreachable"


class AttemptFailedError(HostError):
    """An attempt at an image of a matrix that ended without a result."""

    finding_id = "host.attempt-failed"


class DeadlineError(HostError):
    """An image of a matrix without a verdict when the time of its entry was over."""

    finding_id = "host.deadline"


class ImageChangedError(HostError):
    """An image that another program writes to, or has open for writing."""

    finding_id = "host.image-changed"


class InterruptedRunError(HostError):
    """A run that was ended before it had a verdict."""

    finding_id = "host.interrupted"


class KvmUnusableError(HostError):
    """A request for KVM on a host where KVM does not run 64-bit code."""

    finding_id = "host.kvm-unusable"


class LibvirtLostError(HostError):
    """A connection to libvirt that broke while the machine ran."""

    finding_id = "host.libvirt-lost"


class LibvirtUnreachableError(HostError):
    """An address at which no libvirt answers."""

    finding_id = "host.libvirt-unreachable"


class MissingToolError(HostError):
    """A program, a firmware or a module that is not installed, or too old."""

    finding_id = "host.missing-tool"


class NoNetworkError(HostError):
    """A host without a route to the server."""

    finding_id = "host.no-network"


class NoSpaceError(HostError):
    """A file that cannot be written: the disk is full, or the folder is missing."""

    finding_id = "host.no-space"


class OutOfMemoryError(HostError):
    """A host with too little memory for the machine."""

    finding_id = "host.out-of-memory"


class QemuError(HostError):
    """A QEMU that does not start, ended by itself, or does not answer."""

    finding_id = "host.qemu-crashed"


class ReadFailedError(HostError):
    """A read error of the image file."""

    finding_id = "host.read-failed"


class RecipeFailedError(HostError):
    """A recipe whose image could not be built."""

    finding_id = "host.recipe-failed"


class TpmError(HostError):
    """A swtpm that ended before the machine had started."""

    finding_id = "host.tpm-failed"


class WorkerLostError(HostError):
    """An image that no worker of a cluster tried to its end."""

    finding_id = "host.worker-lost"


class InternalError(FaultError):
    """A bug of harness: an exception that was not raised on purpose.

    ``traceback_file`` is the path of its traceback, "" where it was not written.
    """

    finding_id = "internal.error"

    def __init__(self, message: str, remedy: str = "", traceback_file: str = "") -> None:
        super().__init__(message, remedy)
        self.traceback_file = traceback_file


class CaughtError(HarnessError):
    """The base class of errors that a caller inside harness always catches."""


class FormatError(CaughtError):
    """Bytes that are not in the expected format. ``str()`` says why."""


def fault_of(finding_id: str, message: str) -> FaultError:
    """Return the error for a recorded fault.

    A finding id without a class, from another version, gives an InterruptedRunError.
    """
    known: tuple[type[FaultError], ...] = (*HostError.__subclasses__(), InternalError)
    classes = {kind.finding_id: kind for kind in known}
    return classes.get(finding_id, InterruptedRunError)(message)


def validation_faults(error: ValidationError) -> str:
    """The faults of invalid data, each with its place: ``rule.0.id: Field required; …``."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()
    )
