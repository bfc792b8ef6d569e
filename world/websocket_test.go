package world_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"colporteur/world"
)

// socket is a program's connection (RFC 8887).
type socket struct {
	*testing.T
	conn *websocket.Conn
}

// dialSocket opens one; status is that of HTTP when it is refused.
func dialSocket(t *testing.T, home *world.Server, m *world.Member, header http.Header, protocols ...string) (s *socket, status int) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	if m != nil {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(m.Address+":"+m.Password)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, r, err := websocket.Dial(ctx, "ws://"+home.Addr("http")+"/jmap/ws", &websocket.DialOptions{HTTPHeader: header, Subprotocols: protocols})
	if err != nil {
		if r == nil {
			t.Fatal(err)
		}
		return nil, r.StatusCode
	}
	conn.SetReadLimit(10 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	return &socket{t, conn}, r.StatusCode
}

func (s *socket) say(message string) {
	s.Helper()
	if err := s.conn.Write(s.Context(), websocket.MessageText, []byte(message)); err != nil {
		s.Fatal(err)
	}
}

// hear is the next message that comes within a while.
func (s *socket) hear() (m map[string]any) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	_, b, err := s.conn.Read(ctx)
	if err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		s.Fatalf("%v: %s", err, b)
	}
	return m
}

func TestAProgramAsksAndHearsNewsOverOneWebSocket(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob", "en")
	c := ann.JMAP()
	s, _ := dialSocket(t, home, ann, nil, "jmap")

	// As over HTTP, with the request's own id.
	s.say(`{"@type":"Request","id":"R1","using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[["Core/echo",{"a":1},"x"],["Mailbox/get",{"accountId":"` + c.Account + `"},"m"]]}`)
	got := s.hear()
	calls, _ := got["methodResponses"].([]any)
	if got["@type"] != "Response" || got["requestId"] != "R1" || len(calls) != 2 || got["sessionState"] == "" {
		t.Fatalf("%v", got)
	}

	// What is no request is refused in the RFC's words, and the next is answered.
	for message, want := range map[string]string{
		`{"@type":"Request","id":"R2","using":["urn:x"],"methodCalls":[]}`: "unknownCapability", `{"@type":"Request","id":"R2"}`: "notRequest", `{"@type":"Nothing","id":"R2"}`: "notRequest",
		`{`: "notJSON", strings.Repeat(`[`, 100_000): "notJSON", `{"@type":"Request","@type":"Request"}`: "notJSON",
	} {
		s.say(message)
		if got := s.hear(); got["@type"] != "RequestError" || !strings.HasSuffix(got["type"].(string), ":"+want) {
			t.Errorf("%.60s: %v", message, got)
		}
	}

	// News, of what was asked for alone, until it is asked no more.
	s.say(`{"@type":"WebSocketPushEnable","dataTypes":["Mailbox","Email"]}`)
	s.say(`{"@type":"Request","id":"R3","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"x"]]}`)
	if got := s.hear(); got["requestId"] != "R3" {
		t.Fatalf("%v", got)
	}
	bob.Send(ann.Address)
	got = s.hear()
	of, _ := got["changed"].(map[string]any)[c.Account].(map[string]any)
	if got["@type"] != "StateChange" || of["Email"] == nil || of["Mailbox"] == nil || len(of) != 2 || got["pushState"] == "" {
		t.Fatalf("%v", got)
	}
	state, _ := json.Marshal(got["pushState"])
	w.Settle()
	s.say(`{"@type":"WebSocketPushDisable"}`)
	s.say(`{"@type":"Request","id":"R4","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"x"]]}`)
	for got = s.hear(); got["@type"] == "StateChange"; got = s.hear() { // what was on its way
	}
	bob.Send(ann.Address)
	w.Settle()
	s.say(`{"@type":"Request","id":"R5","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"x"]]}`)
	if got := s.hear(); got["requestId"] != "R5" {
		t.Errorf("news that nobody wants: %v", got)
	}
	// Who was away says what it knew, and hears at once that there is more.
	s.say(`{"@type":"WebSocketPushEnable","dataTypes":["Email"],"pushState":` + string(state) + `}`)
	if got := s.hear(); got["@type"] != "StateChange" {
		t.Errorf("what came meanwhile is not told: %v", got)
	}
}

func TestAWebSocketOpensForMembersAndTheirOwnPagesAlone(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	if _, status := dialSocket(t, home, nil, nil, "jmap"); status != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", status)
	}
	// A page of another site has the member's cookies sent along, and no more.
	if _, status := dialSocket(t, home, ann, http.Header{"Origin": {"https://evil.test"}}, "jmap"); status != http.StatusForbidden {
		t.Errorf("a page of another site: %d", status)
	}
	if s, _ := dialSocket(t, home, ann, nil); s != nil {
		if _, _, err := s.conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusProtocolError {
			t.Errorf("without the subprotocol: %v", err)
		}
	}
	s, _ := dialSocket(t, home, ann, nil, "jmap")
	if err := s.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"@type":"Request"}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
		t.Errorf("a binary message: %v", err)
	}
	s, _ = dialSocket(t, home, ann, nil, "jmap")
	s.conn.Write(t.Context(), websocket.MessageText, make([]byte, 11<<20))
	if _, _, err := s.conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("a message of 11 MB: %v", err)
	}
	var session struct {
		Capabilities map[string]struct {
			URL          string `json:"url"`
			SupportsPush bool   `json:"supportsPush"`
		} `json:"capabilities"`
	}
	ann.JMAP().Do("GET", "/.well-known/jmap", "", nil, http.StatusOK, &session)
	if ws := session.Capabilities["urn:ietf:params:jmap:websocket"]; !strings.HasPrefix(ws.URL, "ws") || !strings.HasSuffix(ws.URL, "/jmap/ws") || !ws.SupportsPush {
		t.Errorf("%v", ws)
	}
}

func TestWhoeverHasTheOldPasswordReadsNothingMoreOnAnOpenConnection(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	asks, _ := dialSocket(t, home, ann, nil, "jmap")
	listens, _ := dialSocket(t, home, ann, nil, "jmap")
	listens.say(`{"@type":"WebSocketPushEnable"}`)
	listens.say(`{"@type":"Request","id":"R1","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"x"]]}`)
	listens.hear() // it listens now
	if err := home.Accounts.SetPassword(t.Context(), ann.Account.ID, "another one of ann"); err != nil {
		t.Fatal(err)
	}
	asks.say(`{"@type":"Request","id":"R1","using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"x"]]}`)
	bob.Send(ann.Address)
	for what, s := range map[string]*socket{"a request": asks, "news": listens} {
		if _, b, err := s.conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("%s: %s %v", what, b, err)
		}
	}
}
