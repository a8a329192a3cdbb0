"""What is known of one polled service: the last answer, and what the answers so far add up to."""

from dataclasses import dataclass, field

from marksim.v1 import telemetry_pb2


@dataclass
class Target:
    """A service under the name that the settings give it."""

    name: str
    address: str
    memory: telemetry_pb2.GetMemoryResponse | None = None
    """The answer to the last poll; None while the service is down, so that no old value lingers."""
    restarts: int = 0
    polls: int = 0
    failures: int = 0
    polled_at_s: float = 0.0
    """Wall seconds since the Unix epoch of the last poll's end; 0 before the first."""
    answered_at_s: float = 0.0
    """The same of the last answer."""
    error: str = "not asked yet"
    """Why it is down; empty while it is up."""
    _process: tuple[str, int] | None = field(default=None, repr=False)

    @property
    def up(self) -> bool:
        """Whether the last poll was answered."""
        return self.memory is not None

    def answered(self, memory: telemetry_pb2.GetMemoryResponse, now_s: float) -> bool:
        """Take the answer of one poll; True if the process is another one than before."""
        # The start time alone would miss a restart within a clock tick, the instance alone a service that gives none.
        process = (memory.instance, memory.start_time_ns)
        restarted = self._process is not None and process != self._process
        self._process = process
        self.restarts += restarted
        self.polls += 1
        self.polled_at_s = self.answered_at_s = now_s
        self.memory, self.error = memory, ""
        return restarted

    def failed(self, error: str, now_s: float) -> None:
        """One poll had no answer."""
        self.polls += 1
        self.failures += 1
        self.polled_at_s = now_s
        self.memory, self.error = None, error
