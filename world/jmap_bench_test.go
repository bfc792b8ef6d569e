package world_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"colporteur/store/mailbox"
	"colporteur/world"
)

// many is how many mails the member of the benchmark has.
const many = 100_000

// BenchmarkJMAP is what the webmail asks for, over HTTP, in a mailbox of 100,000
// mails: the first page of the list, a conversation, a search.
func BenchmarkJMAP(b *testing.B) {
	w := world.New(b)
	home := w.Server("home.test")
	ann := home.Member("ann")
	inbox, err := home.Mailboxes.Get(b.Context(), ann.Account.Account, "INBOX")
	if err != nil {
		b.Fatal(err)
	}
	for at := 0; at < many; {
		n := 0
		if _, err := home.Door.File(b.Context(), ann.Account.User(), inbox, func() (*mailbox.Upload, error) {
			if n == 1000 || at == many {
				return nil, io.EOF
			}
			rare := ""
			if at%100 == 0 {
				rare = " mirabelle"
			}
			raw := fmt.Appendf(nil, "From: Personne %d <p%d@far.test>\r\nTo: ann@home.test\r\nSubject: Sujet %d\r\nMessage-ID: <%d@far.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDes mots pour le message %d%s.\r\n%s",
				at%500, at%500, at/3, at, at, rare, bytes.Repeat([]byte("Une ligne de plus dans ce message ordinaire.\r\n"), 20))
			if at%3 > 0 {
				raw = append(fmt.Appendf(nil, "In-Reply-To: <%d@far.test>\r\nReferences: <%d@far.test>\r\n", at-at%3, at-at%3), raw...)
			}
			up := &mailbox.Upload{Size: int64(len(raw)), Body: bytes.NewReader(raw), Date: time.Date(2020, 1, 1, 0, at, 0, 0, time.UTC)}
			n, at = n+1, at+1
			return up, nil
		}, nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := home.Mailboxes.IndexAccount(b.Context(), ann.Account.Account); err != nil {
		b.Fatal(err)
	}
	c := ann.JMAP()
	box := c.Mailbox("inbox")
	list := func(filter world.Args, sort []any) []any {
		return []any{[]any{"Email/query", world.Args{"accountId": c.Account, "filter": filter, "sort": sort, "collapseThreads": true, "calculateTotal": true, "limit": 50}, "q"},
			[]any{"Email/get", world.Args{"accountId": c.Account, "#ids": world.Args{"resultOf": "q", "name": "Email/query", "path": "/ids"},
				"properties": []string{"id", "blobId", "threadId", "mailboxIds", "keywords", "receivedAt", "from", "to", "subject", "preview", "hasAttachment", "size"}}, "g"}}
	}
	byArrival := world.Args{"property": "receivedAt", "isAscending": false}
	first := func(keyword string) world.Args {
		return world.Args{"property": "hasKeyword", "keyword": keyword, "isAscending": false}
	}
	thread := c.Call("Email/get", world.Args{"ids": []any{c.Call("Email/query", world.Args{"limit": 1}).Text("ids/0")}}).Text("list/0/threadId")
	read := c.Call("Email/query", world.Args{"limit": 1, "position": 20}).Text("ids/0")
	asked := list(world.Args{"inMailbox": box, "notKeyword": "$muted"}, []any{first("$pinned"), first("$new"), byArrival}) // as the webmail does
	blob := ""
	for _, one := range []struct {
		name    string
		calls   []any
		between func(i int) // untimed, before each
	}{
		{"List", asked, nil},
		{"ListAfterAMail", asked, func(i int) {
			raw := fmt.Appendf(nil, "From: p@far.test\r\nTo: ann@home.test\r\nSubject: new\r\nMessage-ID: <new%d@far.test>\r\n\r\nx\r\n", i)
			c.Do("POST", "/jmap/upload/"+c.Account+"/", "message/rfc822", raw, http.StatusCreated, &struct{ BlobID *string }{&blob})
			c.Call("Email/import", world.Args{"emails": world.Args{"m": world.Args{"blobId": blob, "mailboxIds": world.Args{box: true}}}})
		}},
		{"ListAfterReading", asked, func(i int) {
			c.Call("Email/set", world.Args{"update": world.Args{read: world.Args{"keywords/$seen": []any{true, nil}[i%2]}}})
		}},
		{"Open", []any{[]any{"Thread/get", world.Args{"accountId": c.Account, "ids": []string{thread}}, "t"},
			[]any{"Email/get", world.Args{"accountId": c.Account, "#ids": world.Args{"resultOf": "t", "name": "Thread/get", "path": "/list/*/emailIds"}, "fetchTextBodyValues": true}, "g"}}, nil},
		{"Search", list(world.Args{"text": "mirabelle"}, []any{byArrival}), nil},
		{"Folders", []any{[]any{"Mailbox/get", world.Args{"accountId": c.Account}, "m"}}, nil},
	} {
		body, err := json.Marshal(map[string]any{"using": c.Using, "methodCalls": one.calls})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(one.name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				if one.between != nil {
					b.StopTimer()
					one.between(i)
					b.StartTimer()
				}
				begin := time.Now()
				var out []byte
				c.Do("POST", "/jmap/api", "application/json", body, http.StatusOK, &out)
				took = append(took, time.Since(begin))
				if bytes.Contains(out, []byte(`["error"`)) {
					b.Fatalf("%.300s", out)
				}
			}
			first := took[0]
			slices.Sort(took)
			b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
