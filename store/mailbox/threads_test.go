package mailbox

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestBaseSubjectsAreTakenAsTheRFCSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		subject, base string
		answer        bool
	}{
		{"", "", false},
		{"Photos", "Photos", false},
		{"Re: Photos", "Photos", true},
		{"re:Photos", "Photos", true},
		{"RE :  Photos   of  us", "Photos of us", true},
		{"Fwd: Re: FW: Photos", "Photos", true},
		{"Re[2]: Photos", "Photos", true},
		{"Re [list] : Photos", "Photos", true},
		{"[list] Photos", "Photos", false},
		{"[list] Re: [other] Photos", "Photos", true},
		{"[list]", "[list]", false},
		{"[list] [other]", "[other]", false},
		{"Photos (fwd)", "Photos", true},
		{"Photos (FWD) (fwd) ", "Photos", true},
		{"[Fwd: Photos]", "Photos", true},
		{"[fwd: Re: [fwd: Photos (fwd)]]", "Photos", true},
		{"Recent news", "Recent news", false},
		{"Fwd", "Fwd", false},
		{"Re", "Re", false},
		{"[open Re: x", "[open Re: x", false},
		{"Re: ", "", true},
	} {
		base, answer := baseSubject(c.subject)
		if base != c.base || answer != c.answer {
			t.Errorf("%q: %q, %v; want %q, %v", c.subject, base, answer, c.base, c.answer)
		}
	}
	if got := casemap("Été ß"); got != "E\u0301TE\u0301 SS" && got != "E\u0301TE\u0301 ß" {
		t.Errorf("casemap: %q", got)
	}
}

// related are mails by id and references, "1", "2 1", …; a subject may follow.
func related(mails ...string) []*person {
	f := family{ids: map[uint64]*person{}, steps: 64 * len(mails)}
	for i, m := range mails {
		ids, subject, _ := strings.Cut(m, "|")
		base, answer := baseSubject(subject)
		var refs []byte
		for _, id := range strings.Fields(ids) {
			var n uint64
			fmt.Sscan(id, &n)
			refs = binary.LittleEndian.AppendUint64(refs, n)
		}
		f.add(Entry{UID: UID(i + 1)}, int64(i), " r"[number(answer):][:1]+base, string(refs))
	}
	roots := f.bySubject(f.prune())
	order(roots)
	return roots
}

func drawn(list []*Thread) string {
	var b strings.Builder
	for _, t := range list {
		b.WriteByte('(')
		if t.Entry.UID != 0 {
			fmt.Fprint(&b, t.Entry.UID)
		}
		b.WriteString(drawn(t.Children))
		b.WriteByte(')')
	}
	return b.String()
}

func TestConversationsAreTakenAsTheRFCSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		mails []string
		want  string
	}{
		{"answers", []string{"1", "2 1", "3 1 2", "4 1"}, "(1(2(3))(4))"},
		{"answers that came first", []string{"3 1 2", "2 1", "1"}, "(3(2(1)))"},
		{"a missing mail between", []string{"1", "3 1 2"}, "(1(2))"},
		{"a missing first mail", []string{"2 1", "3 1"}, "((1)(2))"},
		{"a missing first mail of one", []string{"2 1"}, "(1)"},
		{"circle", []string{"1 2", "2 1"}, "(2(1))"},
		{"itself", []string{"1 1"}, "(1)"},
		{"no ids", []string{"0", "0", ""}, "(1)(2)(3)"},
		{"one id twice", []string{"1", "1", "2 1"}, "(1(3))(2)"},
		{"by its own word", []string{"3 1 2", "2 5", "1", "5"}, "(3)(4(2(1)))"},
		{"subject", []string{"1|Photos", "2|Re: Photos", "3|Photos"}, "((1(2))(3))"},
		{"answer first", []string{"1|Re: Photos", "2|Photos"}, "(2(1))"},
		{"subjects of missing", []string{"2 1|Photos", "3 1|Re: Photos", "4|Re: Photos"}, "((1)(2)(3))"},
		{"two missing", []string{"2 1|Photos", "3 1|Re: Photos", "5 4|Photos", "6 4|x"}, "((1)(2)(3)(4))"},
		{"no subject", []string{"1|", "2|"}, "(1)(2)"},
	} {
		if got := drawn(trees(related(c.mails...))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// What strangers write decides how much work threads are.
func TestThreadsOfAHundredThousandHostileMailsAreBounded(t *testing.T) {
	t.Parallel()
	const n = 100_000
	r := rand.New(rand.NewPCG(1, 2))
	for name, mail := range map[string]func(i int) string{
		"one chain":           func(i int) string { return fmt.Sprint(i+2, " ", i+1) },
		"one chain, backward": func(i int) string { return fmt.Sprint(n-i+1, " ", n-i) },
		"circles":             func(i int) string { return fmt.Sprint(i+1, " ", (i+7919)%n+1, " ", (i+1)%n+1) },
		"at random":           func(i int) string { return fmt.Sprint(i+1, " ", r.IntN(n)+1, " ", r.IntN(n)+1, " ", r.IntN(n)+1) },
		"one subject":         func(i int) string { return fmt.Sprint(i+1, "|x") },
		"one parent":          func(i int) string { return fmt.Sprint(i+2, " 1") },
	} {
		mails := make([]string, n)
		for i := range mails {
			mails[i] = mail(i)
		}
		began := time.Now()
		seen := 0
		left := trees(related(mails...))
		for len(left) > 0 {
			last := left[len(left)-1]
			left = append(left[:len(left)-1], last.Children...)
			if last.Entry.UID != 0 {
				seen++
			}
		}
		if took := time.Since(began); seen != n || took > 10*time.Second {
			t.Errorf("%s: %d mails in %v", name, seen, took)
		}
	}
}
