// A folder without sources of its own.
