package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"text/template"
)

//go:embed example.toml.tmpl
var example string

var exampleTemplate = template.Must(template.New("example").Funcs(template.FuncMap{"v": literal}).Parse(example))

// Text is the commented file that Load reads back as c.
func (c *Config) Text() []byte {
	var b bytes.Buffer
	if err := exampleTemplate.Execute(&b, c); err != nil {
		panic(err) // the template is part of the program
	}
	return b.Bytes()
}

// Write makes the commented file at path, readable by its owner only. It never
// replaces a file: the error then is fs.ErrExist.
func Write(path string, c *Config) error {
	c.complete(filepath.Dir(path))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(c.Text())
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Show prints every key with the value in force, one per line, without the
// password that a database address may carry.
func (c *Config) Show(w io.Writer) error {
	shown := *c
	shown.Database.URL = redact(c.Database.URL)
	var b bytes.Buffer
	walk(reflect.ValueOf(&shown).Elem(), "", func(key string, v reflect.Value) {
		fmt.Fprintf(&b, "%s = %s\n", key, literal(v.Interface()))
	})
	_, err := w.Write(b.Bytes())
	return err
}

func literal(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case Size:
		return strconv.Quote(v.String())
	case List:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case Networks:
		var l List
		for _, p := range v {
			l = append(l, p.String())
		}
		return literal(l)
	}
	return fmt.Sprint(v)
}

func redact(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return "(unreadable)"
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "hidden")
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", "hidden")
		u.RawQuery = q.Encode()
	}
	return u.String()
}
