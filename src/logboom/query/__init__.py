"""The query language, search, patterns and statistics: functions over records, without files."""
