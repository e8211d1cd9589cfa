"""Training profiles: read from and written to files, and searched for on the validation stage of an evaluation.

Knows which settings are worth a look, and how good a profile is. Does not know how sources or rankers are fitted, nor
how cases are cut: both come from `endcap.training` and `endcap.evaluation`.
"""

from endcap.tuning.profiles import differences, parse_profile, profile_text

__all__ = ["differences", "parse_profile", "profile_text"]
