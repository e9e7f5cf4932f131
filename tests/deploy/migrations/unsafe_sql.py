"""Unsafe SQL that squawk passes over: each rule has a name, a pattern, and what to write instead."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    pattern: re.Pattern[str]
    instead: str


def _rule(pattern: str, instead: str) -> Rule:
    return Rule(re.compile(pattern, re.I | re.S), instead)


_AND_ONLY = r"(?:(?!;|\bOR\b).)"
"""A character of the same statement, before an OR."""

# A statement ends at the next semicolon: strings with one are rare, and only make a rule stricter.
RULES = {
    "unreadable-block": _rule(
        r"\bDO\b(?!\s+(?:UPDATE|NOTHING)\b)",
        "the form DO $$ BEGIN IF [NOT] EXISTS (…) THEN … END IF; END $$;",
    ),
    "erases-rows": _rule(
        r"\b(?<!BEFORE )TRUNCATE\b|\bDELETE\s+FROM\b", "nothing: erased rows cannot be restored"
    ),
    "updates-many-rows": _rule(
        # Not ON CONFLICT … DO UPDATE SET, FOR UPDATE, or UPDATE of rows whose ids are in the statement.
        r"(?<!\bDO\s)\bUPDATE\s+(?:ONLY\s+)?[\w\".]+(?:\s+(?:AS\s+)?\w+)?\s+SET\b"
        rf"(?!{_AND_ONLY}*\bWHERE\b{_AND_ONLY}*\bid\s*(?:=|IN\s*\(|BETWEEN\b)\s*['\d]{_AND_ONLY}*(?:;|\Z))",
        "a Backfill: it changes the rows in batches, so that no client waits for all of them",
    ),
    "locks-table": _rule(
        r"\bLOCK\s+(?:TABLE\s+)?(?!"
        r"[^;]*\bIN\s+(?:(?:ACCESS|ROW)\s+SHARE|ROW\s+EXCLUSIVE|SHARE\s+UPDATE\s+EXCLUSIVE)\s+MODE)",
        "nothing: a statement takes the lock that it needs",
    ),
    "rewrites-table": _rule(
        r"(?:^|;)\s*CLUSTER\b|\bVACUUM\b[^;]*\bFULL\b|\bSET\s+(?:UNLOGGED|LOGGED|TABLESPACE|ACCESS\s+METHOD)\b",
        "nothing: it locks out readers while PostgreSQL copies the table; UNLOGGED loses rows in a crash",
    ),
    "disables-row-security": _rule(
        r"\b(?:DISABLE|NO\s+FORCE)\s+ROW\s+LEVEL\s+SECURITY\b",
        "a policy for the scope that needs the rows; the migration itself sees all rows",
    ),
    "open-policy": _rule(
        r"\b(?:USING|CHECK)\s*\(\s*(?:\(\s*)*(?:true|1\s*=\s*1)\b",
        "a policy that compares the scope, such as that of users",
    ),
}

_COMMENT = re.compile(r"--[^\n]*")


def broken_rules(sql: str) -> set[str]:
    text = _COMMENT.sub("", sql)
    return {name for name, rule in RULES.items() if rule.pattern.search(text)}


def advice(names: set[str]) -> str:
    """What to write instead, a line for each rule that is broken."""
    return "\n".join(f"{name}: write {RULES[name].instead}" for name in sorted(names) if name in RULES)
