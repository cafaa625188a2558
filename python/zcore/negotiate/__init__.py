"""Choose formats, memory and direction for a whole chain, and be able to say why."""

from zcore.negotiate.budget import LINK_FRAMES
from zcore.negotiate.plan import LinkPlan, Plan
from zcore.negotiate.planner import Planner

__all__ = ["LINK_FRAMES", "LinkPlan", "Plan", "Planner"]
