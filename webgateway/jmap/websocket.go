package jmap

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
)

// JMAP over WebSocket (RFC 8887): requests without a new HTTP request each, and
// news on the same connection. A request is answered as one over HTTP is, by the
// same function and under the same limits.

// frame is what a message says about itself.
type frame struct {
	Type      string    `json:"@type"`
	ID        *string   `json:"id"`
	DataTypes *[]string `json:"dataTypes"` // of WebSocketPushEnable; nil: all
	PushState *string   `json:"pushState"`
}

// wire is a connection under way.
type wire struct {
	*Server
	conn   *websocket.Conn
	who    mail.User
	client mail.Client
	r      *http.Request // that began it, with what they signed in with
}

func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	leave, ok := s.listening.enter(u.ID, maxEvents)
	if !ok {
		overLimit(http.StatusTooManyRequests, "maxConcurrentRequests").write(w)
		return
	}
	defer leave()
	// Accept refuses pages of other sites by their Origin: a browser sends cookies
	// along with this request too, and CORS does not apply to it.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"jmap"}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != "jmap" { // RFC 8887 §4.1
		conn.Close(websocket.StatusProtocolError, "the subprotocol is jmap")
		return
	}
	conn.SetReadLimit(maxSizeRequest)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	c := &wire{Server: s, conn: conn, who: u, client: clientOf(r), r: r}
	go c.look(ctx, cancel)
	c.serve(ctx)
}

// look ends the connection of somebody who says nothing and may no longer listen.
func (c *wire) look(ctx context.Context, end func()) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !c.in() {
				end()
				return
			}
		}
	}
}

// in asks whether the member is still let in, as each request over HTTP does: who
// is signed out or suspended reads no further. If not, the connection ends.
func (c *wire) in() bool {
	if c.stillIn(c.r, c.who) {
		return true
	}
	c.conn.Close(websocket.StatusPolicyViolation, "the session has ended")
	return false
}

// serve answers message by message; news are told between them.
func (c *wire) serve(ctx context.Context) {
	quiet := func() {}
	defer func() { quiet() }()
	for {
		kind, body, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageText { // RFC 8887 §4.3
			c.conn.Close(websocket.StatusUnsupportedData, "messages are text")
			return
		}
		if !c.in() {
			return
		}
		var f frame
		if !jsontext.Value(body).IsValid() || json.Unmarshal(body, &f) != nil {
			c.refuse(ctx, f.ID, notJSON("the message is not I-JSON"))
			continue
		}
		switch f.Type {
		case "Request":
			c.request(ctx, f.ID, body)
		case "WebSocketPushEnable":
			quiet()
			quiet = c.push(ctx, &f)
		case "WebSocketPushDisable":
			quiet()
			quiet = func() {}
		default:
			c.refuse(ctx, f.ID, notRequest("there is no message "+quoted(f.Type)))
		}
	}
}

// request answers a Request; its "@type" and "id" are unknown to the HTTP form,
// which ignores what it does not know.
func (c *wire) request(ctx context.Context, id *string, body []byte) {
	leave, ok := c.busy.enter(c.who.ID, maxConcurrentRequests)
	if !ok {
		c.refuse(ctx, id, overLimit(http.StatusTooManyRequests, "maxConcurrentRequests"))
		return
	}
	defer leave()
	out, p := c.answer(ctx, c.who, c.client, body)
	if p != nil {
		c.refuse(ctx, id, p)
		return
	}
	c.write(ctx, &struct {
		Type      string  `json:"@type"`
		RequestID *string `json:"requestId,omitzero"`
		*response `json:",embed"`
	}{"Response", id, out})
}

// refuse is an error about a whole message (RFC 8887 §4.3.4).
func (c *wire) refuse(ctx context.Context, id *string, p *problem) {
	c.write(ctx, &struct {
		AtType    string  `json:"@type"`
		RequestID *string `json:"requestId"`
		*problem  `json:",embed"`
	}{"RequestError", id, p})
}

func (c *wire) write(ctx context.Context, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		c.log().ErrorContext(ctx, "jmap websocket", "user", c.who.ID, "err", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c.conn.Write(ctx, websocket.MessageText, b) // whoever reads no more is found out by Read
}

// push tells news of what was asked for until quiet is called.
func (c *wire) push(ctx context.Context, f *frame) (quiet func()) {
	types := append(slices.Clone(pushed), pushedShared...)
	for _, p := range personal {
		types = append(types, p.types...)
	}
	if f.DataTypes != nil {
		types = slices.DeleteFunc(types, func(name string) bool { return !slices.Contains(*f.DataTypes, name) })
	}
	wire := ctx // a write that is cancelled closes the connection, which outlives the wish for news
	ctx, cancel := context.WithCancel(ctx)
	accounts, err := c.Mailboxes.Accounts(ctx, c.who)
	if err != nil {
		cancel()
		return func() {}
	}
	woken, done := c.Mailboxes.Watch(accounts...)
	known, err := c.news(ctx, c.who, accounts, types)
	if err != nil {
		done()
		cancel()
		return func() {}
	}
	if f.PushState != nil && *f.PushState != known.id() { // what changed meanwhile
		c.tell(wire, known, nil)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer done()
		for {
			select {
			case <-ctx.Done():
				return
			case <-woken:
			}
			if !c.in() {
				return
			}
			now, err := c.news(ctx, c.who, accounts, types)
			if err != nil {
				return
			}
			c.tell(wire, now, known)
			known = now
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

func (c *wire) tell(ctx context.Context, now, before news) {
	if changed := now.since(before); len(changed) > 0 {
		c.write(ctx, map[string]any{"@type": "StateChange", "changed": changed, "pushState": now.id()})
	}
}

// websocketURL is its address, for the session: that of the site, over ws or wss.
func (s *Server) websocketURL() string { return "ws" + strings.TrimPrefix(s.URL, "http") + "/jmap/ws" }
