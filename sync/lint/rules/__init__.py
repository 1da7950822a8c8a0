"""Every rule by its code."""

from sync.lint.rules.arbitrary_order import ArbitraryOrder
from sync.lint.rules.base import Rule
from sync.lint.rules.event_time import EventTime
from sync.lint.rules.label_upstream import LabelUpstream
from sync.lint.rules.look_ahead import LookAhead
from sync.lint.rules.personal_data import PersonalData
from sync.lint.rules.point_in_time import PointInTime
from sync.lint.rules.random_values import RandomValues
from sync.lint.rules.unreadable import Unreadable
from sync.lint.rules.waiver import WaiverFault
from sync.lint.rules.wall_clock import WallClock
from sync.lint.rules.whole_history import WholeHistory

RULES: tuple[type[Rule], ...] = (
    WallClock,
    LookAhead,
    PointInTime,
    WholeHistory,
    LabelUpstream,
    RandomValues,
    EventTime,
    ArbitraryOrder,
    Unreadable,
    WaiverFault,
    PersonalData,
)
CODES = frozenset(rule.code for rule in RULES)
