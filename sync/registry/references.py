"""The spelling of views and features: `view`, `view@2`, `view:feature`, `view@2:feature`."""

import re
from typing import NamedTuple

from sync.errors import FsyncError

_VIEW = re.compile(r"(?P<view>[^@:\s]+)(?:@(?P<version>[^@:\s]+))?")


class ViewReference(NamedTuple):
    view: str
    version: str | None

    def __str__(self) -> str:
        return self.view if self.version is None else f"{self.view}@{self.version}"


class FeatureReference(NamedTuple):
    view: ViewReference
    feature: str

    def __str__(self) -> str:
        return f"{self.view}:{self.feature}"


def parse_view(text: str) -> ViewReference:
    match = _VIEW.fullmatch(text)
    if match is None:
        raise FsyncError(f"'{text}' is not the name of a feature view; write view or view@2")
    return ViewReference(match["view"], match["version"])


def parse_feature(text: str) -> FeatureReference:
    view, colon, feature = text.partition(":")
    if not colon or not feature or feature == "*":
        raise FsyncError(f"'{text}' is not a feature reference; write view:feature or view@2:feature")
    return FeatureReference(parse_view(view), feature)
