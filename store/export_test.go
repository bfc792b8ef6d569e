package store

// Waiting is how many Writes wait for the writer.
func Waiting(db *DB) int { return len(db.backend.(*sqliteDB).jobs) }
