"""Simulated time against wall time. Pure: the caller says what the monotonic clock shows."""

from dataclasses import dataclass

SLIP_BOUND_S = 1.0


@dataclass(slots=True)
class Pacer:
    """Says when a window may begin. `factor` is simulated seconds a wall second; None means as fast as it goes.

    A slip of more than one wall second (laptop asleep, stalled disk) is dropped and counted, never caught up in a burst.
    """

    factor: float | None
    anchor_wall_s: float = 0.0
    anchor_sim_ns: int = 0
    slips: int = 0
    slipped_s: float = 0.0
    lag_s: float = 0.0

    def restart(self, wall_s: float, sim_ns: int) -> None:
        """Forget the past: from here on `sim_ns` belongs to `wall_s`. After a pause, a wait, or a change of speed."""
        self.anchor_wall_s = wall_s
        self.anchor_sim_ns = sim_ns
        self.lag_s = 0.0

    def set_factor(self, factor: float | None, wall_s: float, sim_ns: int, due_ns: int) -> None:
        """Change the speed without a jump in simulated time: it stands between `sim_ns`, which is done, and `due_ns`, the
        end of the window that comes next. What has been waited for that one counts, so any number of changes costs no time.
        """
        present_ns = sim_ns
        if self.factor is not None:
            paced_ns = self.anchor_sim_ns + int((wall_s - self.anchor_wall_s) * self.factor * 1e9)
            present_ns = min(max(paced_ns, sim_ns), due_ns)
        self.factor = factor
        self.restart(wall_s, present_ns)

    def late_s(self, wall_s: float, sim_ns: int) -> float:
        """Wall seconds by which `wall_s` is after the moment at which `sim_ns` is due; negative before it."""
        if self.factor is None:
            return 0.0
        return wall_s - (self.anchor_wall_s + (sim_ns - self.anchor_sim_ns) / 1e9 / self.factor)

    def delay_s(self, wall_s: float, sim_ns: int) -> float:
        """Wall seconds to wait until simulated time `sim_ns` is due; 0 when it is due or late."""
        late_s = self.late_s(wall_s, sim_ns)
        if late_s > SLIP_BOUND_S:
            self.slips += 1
            self.slipped_s += late_s
            self.restart(wall_s, sim_ns)
            return 0.0
        self.lag_s = max(0.0, late_s)
        return max(0.0, -late_s)
