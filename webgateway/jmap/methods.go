package jmap

import "maps"

// methods is what each name is answered by. The tables stand with their data
// types.
var methods = map[string]method{"Core/echo": {usingCore, echo}}

func init() {
	for _, table := range []map[string]method{
		mailboxMethods, threadMethods, emailMethods, identityMethods, submissionMethods, vacationMethods, quotaMethods, blobMethods,
		contactMethods, snoozeMethods, unsubscribeMethods, pushMethods,
	} {
		maps.Copy(methods, table)
	}
	for _, t := range sharedTypes {
		maps.Copy(methods, t.methods())
	}
}
