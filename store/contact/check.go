package contact

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ShapeError says which property of a card is not what RFC 9553 has it be.
type ShapeError struct {
	Property string // a path: emails/k1/address
	Why      string
}

func (e *ShapeError) Error() string { return e.Property + ": " + e.Why }

// Check looks at the known properties of a card. What is not known is not looked
// at, and stays.
func Check(card map[string]any) error {
	if why := cardShape(card, nil); why != nil {
		return why
	}
	return nil
}

// shape looks at a value; path is where it stands.
type shape func(v any, path []string) *ShapeError

func wrong(path []string, why string) *ShapeError {
	return &ShapeError{Property: strings.Join(path, "/"), Why: why}
}

func below(path []string, name string) []string { return append(slices.Clip(path), name) }

func isText(v any, path []string) *ShapeError {
	if _, ok := v.(string); !ok {
		return wrong(path, "it is text")
	}
	return nil
}

func isTrue(v any, path []string) *ShapeError {
	if v != true {
		return wrong(path, "a value is true or not there")
	}
	return nil
}

func isBool(v any, path []string) *ShapeError {
	if _, ok := v.(bool); !ok {
		return wrong(path, "it is true or false")
	}
	return nil
}

func isTime(v any, path []string) *ShapeError {
	s, _ := v.(string)
	if _, err := time.Parse(time.RFC3339, s); err != nil || !strings.HasSuffix(s, "Z") {
		return wrong(path, "it is a time in UTC")
	}
	return nil
}

func between(least, most float64) shape {
	return func(v any, path []string) *ShapeError {
		if n, ok := v.(float64); !ok || n < least || n > most || n != float64(int64(n)) {
			return wrong(path, fmt.Sprintf("it is a whole number from %v to %v", least, most))
		}
		return nil
	}
}

func among(words ...string) shape {
	return func(v any, path []string) *ShapeError {
		if s, ok := v.(string); !ok || !slices.Contains(words, s) {
			return wrong(path, "it is "+strings.Join(words, " or "))
		}
		return nil
	}
}

func listOf(item shape) shape {
	return func(v any, path []string) *ShapeError {
		list, ok := v.([]any)
		if !ok {
			return wrong(path, "it is a list")
		}
		for i, v := range list {
			if why := item(v, below(path, fmt.Sprint(i))); why != nil {
				return why
			}
		}
		return nil
	}
}

// mapOf is a map with whatever keys.
func mapOf(item shape) shape {
	return func(v any, path []string) *ShapeError {
		m, ok := v.(map[string]any)
		if !ok {
			return wrong(path, "it is an object")
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if why := item(m[key], below(path, key)); why != nil {
				return why
			}
		}
		return nil
	}
}

// byID is a map whose keys are Ids (RFC 9553 §1.4.1).
func byID(item shape) shape {
	inside := mapOf(item)
	return func(v any, path []string) *ShapeError {
		m, _ := v.(map[string]any)
		for key := range m {
			if key == "" || len(key) > 255 || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				return wrong(below(path, key), "it is no id")
			}
		}
		return inside(v, path)
	}
}

// object has properties, of which those that end in "!" must be there, and may
// say its type.
func object(kind string, properties map[string]shape) shape {
	known := map[string]shape{"@type": among(kind)}
	var needed []string
	for name, s := range properties {
		plain, must := strings.CutSuffix(name, "!")
		if known[plain] = s; must {
			needed = append(needed, plain)
		}
	}
	slices.Sort(needed)
	return func(v any, path []string) *ShapeError {
		o, ok := v.(map[string]any)
		if !ok {
			return wrong(path, "it is an object")
		}
		for _, name := range needed {
			if _, ok := o[name]; !ok {
				return wrong(below(path, name), "it is missing")
			}
		}
		for _, name := range slices.Sorted(maps.Keys(o)) {
			if s := known[name]; s != nil {
				if why := s(o[name], below(path, name)); why != nil {
					return why
				}
			}
		}
		return nil
	}
}

// oneOf passes what the first or the second does; the second says what is wrong.
func oneOf(first, second shape) shape {
	return func(v any, path []string) *ShapeError {
		if first(v, path) == nil {
			return nil
		}
		return second(v, path)
	}
}
