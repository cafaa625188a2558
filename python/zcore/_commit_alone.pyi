from collections.abc import Mapping

from zcore._commits import Commits

def commit_alone(
    commits: Commits,
    crtc: int,
    settings: Mapping[int, Mapping[int, int]],
    flags: int = 0,
    timeout: float = 1.0,
    *,
    read: bool = False,
) -> None: ...
def written_back(commits: Commits, crtc: int) -> None: ...
