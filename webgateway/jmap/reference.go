package jmap

import (
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reference points into the answer of a call before it (RFC 8620 §3.7).
type reference struct {
	ResultOf string `json:"resultOf"`
	Name     string `json:"name"`
	Path     string `json:"path"`
}

func badReference(why string) error {
	return &failure{Type: "invalidResultReference", Description: why}
}

// resolve replaces the arguments whose names begin with "#" by what they refer
// to. Only answers that are there already can be referred to, so nothing can
// lead to itself.
func (c *Call) resolve(args jsontext.Value) (jsontext.Value, error) {
	if !strings.Contains(string(args), `"#`) {
		return args, nil
	}
	var all map[string]jsontext.Value
	if err := json.Unmarshal(args, &all); err != nil {
		return nil, invalid("arguments must be an object")
	}
	found := 0
	for name, v := range all {
		plain, ok := strings.CutPrefix(name, "#")
		if !ok {
			continue
		}
		if found++; found > maxReferences {
			return nil, badReference("too many result references in one call")
		}
		if _, twice := all[plain]; twice {
			return nil, invalid("an argument is there with and without #", plain)
		}
		var ref reference
		if err := json.Unmarshal(v, &ref, json.RejectUnknownMembers(true)); err != nil {
			return nil, badReference(quoted(name) + " is no result reference")
		}
		value, err := c.lookUp(&ref)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		if c.referred += len(raw); c.referred > maxReferred {
			return nil, badReference(errMuch.Error())
		}
		delete(all, name)
		all[plain] = raw
	}
	if found == 0 {
		return args, nil
	}
	return json.Marshal(all)
}

// lookUp finds what ref refers to.
func (c *Call) lookUp(ref *reference) (any, error) {
	for i := range c.answers {
		a := &c.answers[i]
		if a.id != ref.ResultOf {
			continue
		}
		if a.name != ref.Name {
			return nil, badReference("the call " + quoted(ref.ResultOf) + " was answered by " + quoted(a.name))
		}
		if a.decoded == nil {
			if err := json.Unmarshal(a.args, &a.decoded); err != nil {
				return nil, err
			}
		}
		if !strings.HasPrefix(ref.Path, "/") && ref.Path != "" {
			return nil, badReference("a path begins with /")
		}
		room := maxResult
		v, err := point(a.decoded, strings.Split(ref.Path, "/")[1:], &room)
		if err != nil {
			return nil, badReference(err.Error())
		}
		return v, nil
	}
	return nil, badReference("there is no call " + quoted(ref.ResultOf) + " before this one")
}

var errMuch = errors.New("the path leads to too many values")

// point follows a JSON pointer (RFC 6901) in which "*" stands for all items of
// an array, the arrays found there joined (RFC 8620 §3.7).
func point(v any, path []string, room *int) (any, error) {
	if len(path) == 0 {
		return v, nil
	}
	step := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	switch at := v.(type) {
	case map[string]any:
		next, ok := at[step]
		if !ok {
			return nil, errors.New("there is no " + quoted(step))
		}
		return point(next, path[1:], room)
	case []any:
		if step != "*" {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != step {
				return nil, errors.New("there is no item " + quoted(step))
			}
			return point(at[i], path[1:], room)
		}
		all := []any{}
		for _, item := range at {
			found, err := point(item, path[1:], room)
			if err != nil {
				return nil, err
			}
			if list, ok := found.([]any); ok {
				*room -= len(list)
				all = append(all, list...)
			} else {
				*room--
				all = append(all, found)
			}
			if *room < 0 {
				return nil, errMuch
			}
		}
		return all, nil
	}
	return nil, errors.New("nothing is below " + quoted(step))
}
