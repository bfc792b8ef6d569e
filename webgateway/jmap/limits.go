package jmap

// What one request, one call and one member may take (RFC 8620 §2). The first
// are in the session object, so that programs keep them.
const (
	maxSizeUpload         = 100 << 20
	maxConcurrentUpload   = 4
	maxSizeRequest        = 10 << 20
	maxConcurrentRequests = 8
	maxCallsInRequest     = 64
	maxObjectsInGet       = 1000
	maxObjectsInSet       = 1000

	maxQuery      = 10_000   // ids of one answer to a query
	maxReferences = 16       // result references of one call
	maxResult     = 50_000   // values that one of them may stand for
	maxReferred   = 20 << 20 // octets that all of a request may
	maxResponse   = 64 << 20
	maxEvents     = 16 // EventSource connections of one member
	maxDepth      = 32 // of a filter
	maxNumber     = 1<<53 - 1
)
