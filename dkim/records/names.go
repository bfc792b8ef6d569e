package records

import "strings"

// trim is a name without its final dot, in lower case.
func trim(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
