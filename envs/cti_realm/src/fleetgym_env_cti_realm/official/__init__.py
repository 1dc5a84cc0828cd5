"""The published CTI-REALM data set as scenarios of CtiRealm-v1, for who has it on disk.

``docs/official-data.md`` tells what is expected where, and what was tested with it.
"""

from fleetgym_env_cti_realm.official.instance import (
    generate,
    is_official,
    knowledge_base,
    scenarios,
)

__all__ = ["generate", "is_official", "knowledge_base", "scenarios"]
