package importer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// listed reads "NAME ATTR ATTR" lines, with "~" for a space in a name.
func listed(delim rune, lines ...string) (out []*imap.ListData) {
	for _, l := range lines {
		words := strings.Fields(l)
		d := &imap.ListData{Mailbox: strings.ReplaceAll(words[0], "~", " "), Delim: delim}
		for _, a := range words[1:] {
			d.Attrs = append(d.Attrs, imap.MailboxAttr(`\`+a))
		}
		out = append(out, d)
	}
	return out
}

func TestFoldersOfOtherHostsFindTheirPlace(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		list  []*imap.ListData
		space imap.NamespaceData
		only  []string
		want  string
	}{
		"Gmail": {
			list: listed('/', "INBOX", "Clients", "[Gmail] Noselect", "[Gmail]/Tous~les~messages All", "[Gmail]/Messages~envoyés Sent",
				"[Gmail]/Corbeille Trash", "[Gmail]/Important Important", "[Gmail]/Suivis Flagged", "[Gmail]/Spam Junk"),
			want: "INBOX; Clients; [Gmail]/Corbeille=trash; [Gmail]/Messages envoyés=sent; [Gmail]/Spam=junk; [Gmail]/Tous les messages=archive once",
		},
		"Courier": {
			list: listed('.', "INBOX", "INBOX.Sent", "INBOX.Clients.2026", "INBOX.a/b", "INBOX.Trash.old"),
			want: "INBOX; Clients/2026; Sent=sent; Trash/old; a-b",
		},
		"Dovecot with a prefix": {
			list:  listed('.', "INBOX", "INBOX.Trash", "INBOX.Trash.old.er", "INBOX.Inbox"),
			space: imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Prefix: "INBOX.", Delim: '.'}}},
			want:  "INBOX; INBOX; Trash=trash; Trash/old/er=trash+old/er",
		},
		"Cyrus, children of INBOX are meant": {
			list:  listed('/', "INBOX", "INBOX/Alt", "Sent"),
			space: imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: '/'}}},
			want:  "INBOX; INBOX/Alt; Sent=sent",
		},
		"Exchange, in French": {
			list: listed('/', "INBOX", "Éléments~envoyés", "Éléments~supprimés", "Courrier~indésirable", "Brouillons", "Archive", "Archive/2020"),
			want: "INBOX; Archive=archive; Archive/2020=archive+2020; Brouillons=drafts; Courrier indésirable=junk; Éléments envoyés=sent; Éléments supprimés=trash",
		},
		"a name does not take the role of who has it": {
			list: listed('/', "INBOX", "Sent", "Out Sent"),
			want: "INBOX; Out=sent; Sent",
		},
		"folders of others": {
			list:  listed('/', "INBOX", "user/bob", "user/bob/Sent", "user", "Public/Announcements"),
			space: imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: '/'}}, Other: []imap.NamespaceDescriptor{{Prefix: "user/", Delim: '/'}}, Shared: []imap.NamespaceDescriptor{{Prefix: "Public/", Delim: '/'}}},
			want:  "INBOX",
		},
		"asked for by name": {
			list: listed('/', "INBOX", "[Gmail]/Suivis Flagged", "Clients"),
			only: []string{"[Gmail]/Suivis"},
			want: "[Gmail]/Suivis",
		},
		"flat": {
			list: listed(0, "INBOX", "a/b", "c.d"),
			want: "INBOX; a-b; c.d",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &source{Importer: &Importer{Folders: x.only}}
			folders, err := s.choose(x.list, &x.space, false)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range folders {
				said := f.Path
				if f.Role != "" {
					said += "=" + string(f.Role)
				}
				if f.Below != "" {
					said += "+" + f.Below
				}
				if f.Once {
					said += " once"
				}
				got = append(got, said)
			}
			if s := strings.Join(got, "; "); s != x.want {
				t.Errorf("got  %s\nwant %s", s, x.want)
			}
		})
	}
}

func TestNamesOfOtherHostsAreMadeOurs(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		in    string
		delim rune
		want  string
	}{
		{"Été & Noël.Plage", '.', "Été & Noël/Plage"},
		{"inbox.Sub", '.', "INBOX/Sub"},
		{"a%b*c", '/', "a_b_c"},
		{"/../ ./x", '/', "_/_/x"},
		{"..", '.', "_"},
		{" a . b ", '.', "a/b"},
		{"a\x00b\x7f\u202ec", '/', "abc"},
		{"a\xffb", '/', "a_b"},
		{"a..b", '.', "a/_/b"},
		{strings.Repeat("é", 200), '/', strings.Repeat("é", 127)},
	} {
		if got := path(x.in, x.delim); got != x.want {
			t.Errorf("%q: got %q, want %q", x.in, got, x.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := path(rapid.String().Draw(t, "name"), rapid.SampledFrom([]rune{0, '/', '.', '\\', 'é'}).Draw(t, "delim"))
		for l := range strings.SplitSeq(got, "/") {
			if got != "" && (l == "" || l == "." || l == ".." || len(l) > maxLevel || strings.TrimSpace(l) != l || !utf8.ValidString(l)) {
				t.Fatalf("level %q of %q", l, got)
			}
		}
	})
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		sizes []int64
		want  int
	}{
		"one that is too large":  {[]int64{batchBytes + 1, 1}, 1},
		"one behind small ones":  {[]int64{1, 1, batchBytes}, 2},
		"many":                   {slices.Repeat([]int64{0}, 3*batchMails), batchMails},
		"the last ones":          {[]int64{1, 2, 3}, 3},
		"sizes that lie, of -1s": {[]int64{-1, -1}, 2},
	} {
		var items []item
		for _, n := range x.sizes {
			items = append(items, item{size: n})
		}
		if got := group(items); got != x.want {
			t.Error(fmt.Sprintf("%s: %d, want %d", name, got, x.want))
		}
	}
}
