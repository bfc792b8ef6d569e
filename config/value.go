package config

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// Size is a number of bytes, written "50MiB", "1GB" or a bare number.
type Size int64

var units = []struct {
	name   string
	factor int64
}{
	// Longest first: "MiB" ends in "B" too.
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

// ParseSize reads a size.
func ParseSize(s string) (Size, error) {
	number, factor := strings.TrimSpace(s), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a size: write a number and a unit, such as 50MiB", s)
	}
	if n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return Size(n * factor), nil
}

// String is the shortest exact spelling that ParseSize reads back.
func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := units[i]; s != 0 && int64(s)%u.factor == 0 {
			return strconv.FormatInt(int64(s)/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// List is one string or several; a listener's addresses.
type List []string

// assign reads a decoded TOML value into a field.
func assign(field any, v any) error {
	switch f := field.(type) {
	case *string:
		s, ok := v.(string)
		if !ok {
			return mismatch("a text in quotes", v)
		}
		*f = s
	case *bool:
		b, ok := v.(bool)
		if !ok {
			return mismatch("true or false", v)
		}
		*f = b
	case *int:
		n, ok := v.(int64)
		if !ok || n != int64(int(n)) {
			return mismatch("a whole number", v)
		}
		*f = int(n)
	case *Size:
		switch n := v.(type) {
		case int64:
			if n < 0 {
				return fmt.Errorf("%d is not a size", n)
			}
			*f = Size(n)
		case string:
			s, err := ParseSize(n)
			if err != nil {
				return err
			}
			*f = s
		default:
			return mismatch("a size such as \"50MiB\"", v)
		}
	case *List:
		texts, err := texts(v)
		if err != nil {
			return err
		}
		*f = texts
	case *Networks:
		texts, err := texts(v)
		if err != nil {
			return err
		}
		*f = nil
		for _, t := range texts {
			p, err := parseNetwork(t)
			if err != nil {
				return err
			}
			*f = append(*f, p)
		}
	default:
		panic(fmt.Sprintf("config field of type %T has no reader", field))
	}
	return nil
}

func texts(v any) (List, error) {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil, nil
		}
		return List{v}, nil
	case []any:
		var out List
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, mismatch("a list of texts in quotes", e)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, mismatch("a text in quotes or a list of them", v)
}

func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network: write 192.0.2.0/24 or 2001:db8::/32", s)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func mismatch(want string, got any) error {
	return fmt.Errorf("must be %s, not %v", want, got)
}
