"""Users of Redis with no more rights than they need, as ACL commands."""

from collections.abc import Sequence

from sync.online import layout
from sync.registry.references import parse_feature
from sync.registry.registry import FeatureService, Registry

# What every client of ours says when it connects.
CONNECT = "+hello +auth +ping +select +client|setname +cluster|slots +cluster|shards +command"
READ = "+hget +hmget +hgetall +multi +exec +discard"
WRITE = (
    f"{READ} +get +set +del +unlink +exists +expire +pexpire +persist +rename +hset +hdel "
    "+hlen +hkeys +hscan +hrandfield +zadd +zcount +zrangebyscore +zrem +zremrangebyscore +zscan "
    "+eval +evalsha +script|load +scan +memory|usage"
)


def acl_commands(registry: Registry, services: Sequence[FeatureService]) -> list[str]:
    """A writer (`fsync online`, push, verify, status), a server (`fsync serve`), a reader for each service.

    `PASSWORD` in them is to be replaced.
    """
    project = registry.project
    shared = [layout.views_key(project), layout.services_key(project)]
    own = [f"fsync:{{{project}}}:*", f"fsync:{{{project}/*"]
    users = [
        _user("fsync_writer", own, WRITE),
        _user("fsync_server", [layout.tokens_key(project), *shared, f"fsync:{{{project}/*"], READ),
    ]
    for service in services:
        views = {registry.view(parse_feature(reference).view).reference for reference in service.features}
        keys = [f"{layout.view_keys(project, view).stem}:*" for view in sorted(views)]
        keys += [f"fsync:{{{project}/{view}#*" for view in sorted(views)]
        users.append(_user(f"fsync_{service.name}", [*shared, *keys], READ))
    return users


def _user(name: str, keys: Sequence[str], commands: str) -> str:
    patterns = " ".join(f"~{key}" for key in keys)
    return f"ACL SETUSER {name} reset on >PASSWORD {patterns} {CONNECT} {commands}"
