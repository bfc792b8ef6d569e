package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key  string // dotted; "" when it is the file itself
	Text string
}

func (p Problem) String() string {
	if p.Key == "" {
		return p.Text
	}
	return p.Key + ": " + p.Text
}

// Problems is the error of Load when the file can be read but not used.
type Problems struct {
	Path string
	List []Problem
}

func (p *Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %d problem", p.Path, len(p.List))
	if len(p.List) != 1 {
		b.WriteByte('s')
	}
	for _, one := range p.List {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

func (p *Problems) add(key, format string, args ...any) {
	p.List = append(p.List, Problem{key, fmt.Sprintf(format, args...)})
}

// Load reads the file at path. When it can be read but has problems, the error
// is a *Problems with all of them.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return Parse(path, string(text))
}

// Parse is Load of text at hand; path names the file in errors and is where
// relative paths count from.
func Parse(path, text string) (*Config, error) {
	problems := &Problems{Path: path}
	// Decoded by hand from the raw tree: the toml package stops at the first
	// value of a wrong type, and people want to hear of all of them.
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var at toml.ParseError
		if errors.As(err, &at) {
			problems.add("", "line %d: %s", at.Position.Line, at.Message)
		} else {
			problems.add("", "%v", err)
		}
		return nil, problems
	}
	profile := Server
	if v, ok := tree["profile"]; ok {
		if s, _ := v.(string); s == Dev {
			profile = Dev
		}
	}
	c := Defaults(profile)
	c.Path = path
	wrong := map[string]bool{} // keys whose value could not be read: checking their default would confuse
	fill(reflect.ValueOf(&c).Elem(), "", tree, problems, wrong)
	c.complete(filepath.Dir(path))
	check(&c, func(key, format string, args ...any) {
		if !wrong[key] {
			problems.add(key, format, args...)
		}
	})
	if len(problems.List) > 0 {
		return nil, problems
	}
	return &c, nil
}

// fill assigns the values of tree to the fields of v that carry their names.
func fill(v reflect.Value, prefix string, tree map[string]any, problems *Problems, wrong map[string]bool) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("toml"); name != "-" {
			fields[name] = v.Field(i)
		}
	}
	names := make([]string, 0, len(tree))
	for name := range tree {
		names = append(names, name)
	}
	sort.Strings(names) // a map has no order; the report has one
	for _, name := range names {
		key := prefix + name
		field, ok := fields[name]
		sub, isTable := tree[name].(map[string]any)
		switch {
		case !ok:
			problems.add(key, "there is no such key%s", suggest(key))
		case field.Kind() == reflect.Struct && isTable:
			fill(field, key+".", sub, problems, wrong)
		case field.Kind() == reflect.Struct:
			problems.add(key, "is a table: write [%s] and its keys below it", key)
		default:
			if err := assign(field.Addr().Interface(), tree[name]); err != nil {
				problems.add(key, "%v", err)
				wrong[key] = true
			}
		}
	}
}

// Keys are all keys, dotted, in the order of the file.
func Keys() []string {
	var keys []string
	walk(reflect.ValueOf(&Config{}).Elem(), "", func(key string, _ reflect.Value) { keys = append(keys, key) })
	return keys
}

func walk(v reflect.Value, prefix string, f func(key string, field reflect.Value)) {
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("toml")
		switch {
		case name == "-":
		case v.Field(i).Kind() == reflect.Struct:
			walk(v.Field(i), prefix+name+".", f)
		default:
			f(prefix+name, v.Field(i))
		}
	}
}

// suggest finds the key that was probably meant: near in spelling, or of the
// same name in another table.
func suggest(key string) string {
	best, distance := "", 3
	for _, k := range Keys() {
		d := edits(key, k)
		if last := k[strings.LastIndexByte(k, '.')+1:]; last == key[strings.LastIndexByte(key, '.')+1:] {
			d = min(d, 2)
		}
		if d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
