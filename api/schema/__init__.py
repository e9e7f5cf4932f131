"""The GraphQL API: translation only, no rules and no SQL. One file a feature."""
