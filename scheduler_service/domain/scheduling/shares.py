"""What teams may use and have used: quotas, and decayed use for fair shares.

Decay is counted in whole numbers and in steps of a 64th of the half-life, so that every machine
comes to the same figures.
"""

from copy import copy
from dataclasses import dataclass

from scheduler_service.domain.resources import ResourceType
from scheduler_service.domain.scheduling.policy import Policy, TeamQuota
from scheduler_service.domain.scheduling.requests import Request, Shape

_STEPS = 64
_KEPT = 4_248_701_965
"""What is left after one step, of 2**32: the 64th root of one half."""
_FORGOTTEN = 40 * _STEPS
_PRECISION = 1_000_000


@dataclass(slots=True)
class Account:
    """What a team or a user holds now and has used.

    Attributes:
        held: thousandths of devices held now.
        used: decayed use in thousandths times microseconds, as of ``at``.
    """

    held: int = 0
    used: int = 0
    at: int = 0


class Shares:
    """The accounts of one pool.

    Attributes:
        limited: whether there are quotas.
        fair: whether who used less goes first.
        held: what each team holds now of each kind of device, in thousandths.
    """

    def __init__(self, policy: Policy) -> None:
        self.limited = bool(policy.quotas)
        self.fair = policy.fair_share.enabled
        self.held: dict[tuple[str, ResourceType], int] = {}
        self._quotas = {(quota.team, quota.resource_type): quota for quota in policy.quotas}
        self._step = max(1, policy.fair_share.half_life // _STEPS)
        self._weights = {
            team: max(1, round(weight * _PRECISION)) for team, weight in policy.fair_share.weights
        }
        self._teams: dict[str, Account] = {}
        self._users: dict[tuple[str, str], Account] = {}

    def copy(self) -> "Shares":
        """The same accounts, to try things on."""
        other = copy(self)
        other.held = self.held.copy()
        other._teams = {team: copy(account) for team, account in self._teams.items()}
        other._users = {user: copy(account) for user, account in self._users.items()}
        return other

    def quota(self, team: str, resource_type: ResourceType) -> TeamQuota:
        """What a team may use."""
        return self._quotas.get((team, resource_type)) or TeamQuota(
            team, 0, resource_type=resource_type
        )

    def over(self, team: str, shape: Shape) -> int:
        """By how much a team would be beyond its quota and what it may borrow; 0 or less: not."""
        if not self.limited:
            return 0
        quota = self.quota(team, shape.resource_type)
        if quota.borrow is None:
            return 0
        return self._after(team, shape) - quota.nominal - quota.borrow

    def owns(self, team: str, shape: Shape) -> bool:
        """Whether one more of a shape is within what is the team's own."""
        return self._after(team, shape) <= self.quota(team, shape.resource_type).nominal

    def borrows(self, team: str, resource_type: ResourceType) -> int:
        """What a team holds beyond its own, in thousandths."""
        held = self.held.get((team, resource_type), 0)
        return held - self.quota(team, resource_type).nominal

    def borrowers(self, resource_type: ResourceType) -> frozenset[str]:
        """The teams that hold more than their own."""
        return frozenset(
            team
            for (team, kind), held in self.held.items()
            if kind is resource_type and held > self.quota(team, kind).nominal
        )

    def take(self, request: Request, now: int) -> None:
        """Books the start of a run."""
        self._book(request, request.shape.total_milli, now)

    def give(self, request: Request, now: int) -> None:
        """Books the end of a run."""
        self._book(request, -request.shape.total_milli, now)

    def rank(self, team: str, user: str, now: int) -> tuple[int, int]:
        """Who used less, smaller: the team by its weight, then the user.

        What is held now counts as if it went on for one more step, so that equal teams start by
        turns.
        """
        weight = self._weights.get(team, _PRECISION)
        used = self._used(self._teams.get(team), now) * _PRECISION // weight
        return used, self._used(self._users.get((team, user)), now)

    def _after(self, team: str, shape: Shape) -> int:
        return self.held.get((team, shape.resource_type), 0) + shape.total_milli

    def _book(self, request: Request, milli: int, now: int) -> None:
        team, kind = request.team, request.shape.resource_type
        self.held[team, kind] = self.held.get((team, kind), 0) + milli
        if self.fair:
            for account in (
                self._teams.setdefault(team, Account(at=now)),
                self._users.setdefault((team, request.user), Account(at=now)),
            ):
                self._charge(account, now)
                account.held += milli

    def _used(self, account: Account | None, now: int) -> int:
        if account is None:
            return 0
        self._charge(account, now)
        return account.used + account.held * self._step

    def _charge(self, account: Account, now: int) -> None:
        """Brings an account up to date."""
        step, at = self._step, account.at
        steps = now // step - at // step
        if steps > _FORGOTTEN:
            at = (now // step - _FORGOTTEN) * step
            account.used = 0
            steps = _FORGOTTEN
        for _ in range(steps):
            border = (at // step + 1) * step
            account.used = (account.used + account.held * (border - at)) * _KEPT >> 32
            at = border
        account.used += account.held * (now - at)
        account.at = now
