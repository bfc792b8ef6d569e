package jmap

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
)

// request is RFC 8620 §3.3.
type request struct {
	Using       []string          `json:"using"`
	MethodCalls []invocation      `json:"methodCalls"`
	CreatedIDs  map[string]string `json:"createdIds,omitzero"`
}

// invocation is a call or its answer: a name, arguments, and the client's id.
type invocation struct {
	name string
	args jsontext.Value
	id   string

	decoded any // of args, when a later call refers to it
}

func (i *invocation) UnmarshalJSON(b []byte) error {
	var parts []jsontext.Value
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 3 || parts[1].Kind() != '{' {
		return errors.New("a call is a name, arguments and an id")
	}
	i.args = parts[1].Clone()
	return errors.Join(json.Unmarshal(parts[0], &i.name), json.Unmarshal(parts[2], &i.id))
}

func (i invocation) MarshalJSONTo(e *jsontext.Encoder) error {
	return errors.Join(e.WriteToken(jsontext.BeginArray), e.WriteToken(jsontext.String(i.name)), e.WriteValue(i.args),
		e.WriteToken(jsontext.String(i.id)), e.WriteToken(jsontext.EndArray))
}

// response is RFC 8620 §3.4.
type response struct {
	MethodResponses []invocation      `json:"methodResponses"`
	CreatedIDs      map[string]string `json:"createdIds,omitzero"`
	SessionState    string            `json:"sessionState"`
}

// Call is a method call and what it may need of the request around it.
type Call struct {
	User mail.User

	srv      *Server
	ctx      context.Context
	client   mail.Client
	using    []string
	created  map[string]string // by creation id, of the whole request
	answers  []invocation
	size     int
	referred int    // octets that result references stood for
	name     string // of the method
	id       string

	accounts []mail.AccountID // that the member sees; see account
	looks    bool             // changes nothing; see marks
	marked   *marks
}

// uses says whether the client named a capability.
func (c *Call) uses(capability string) bool { return slices.Contains(c.using, capability) }

// method is what a name is answered by.
type method struct {
	using string // the capability that it is of
	run   func(ctx context.Context, c *Call, args jsontext.Value) (any, error)
}

// typed makes a method of a function that has its arguments decoded.
func typed[A any](f func(ctx context.Context, c *Call, args *A) (any, error)) func(context.Context, *Call, jsontext.Value) (any, error) {
	return func(ctx context.Context, c *Call, raw jsontext.Value) (any, error) {
		args := new(A)
		if err := json.Unmarshal(raw, args, json.RejectUnknownMembers(true)); err != nil {
			var known *failure
			if errors.As(err, &known) {
				return nil, known
			}
			return nil, invalid(why(err), where(err)...)
		}
		return f(ctx, c, args)
	}
}

// where names the argument that an error of decoding is about.
func where(err error) []string {
	var e *json.SemanticError
	if errors.As(err, &e) && e.JSONPointer != "" {
		for token := range e.JSONPointer.Tokens() {
			return []string{token}
		}
	}
	return nil
}

func why(err error) string {
	var e *json.SemanticError
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return "there is no such argument"
	case errors.As(err, &e) && e.JSONKind != 0:
		return "a value of this type cannot be here: " + e.JSONKind.String()
	}
	return "the arguments cannot be read"
}

// api answers a request.
func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	leave, ok := s.busy.enter(u.ID, maxConcurrentRequests)
	if !ok {
		overLimit(http.StatusTooManyRequests, "maxConcurrentRequests").write(w)
		return
	}
	defer leave()
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		notJSON("the content type is not application/json").write(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSizeRequest))
	if err != nil {
		if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
			overLimit(http.StatusRequestEntityTooLarge, "maxSizeRequest").write(w)
		} else {
			notJSON("the body did not come whole").write(w)
		}
		return
	}
	out, p := s.answer(r.Context(), u, clientOf(r), body)
	if p != nil {
		p.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.MarshalWrite(w, out)
}

// read decodes a request; pushes says whether push is offered.
func read(body []byte, pushes bool) (*request, *problem) {
	// The decoder bounds depth, and refuses what I-JSON does (RFC 8620 §1.5).
	if !jsontext.Value(body).IsValid() {
		return nil, notJSON("the body is not I-JSON")
	}
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, notRequest("the body is not a request object: " + why(err))
	}
	if q.Using == nil || q.MethodCalls == nil {
		return nil, notRequest("using or methodCalls is missing")
	}
	for _, name := range q.Using {
		if _, ok := capabilities[name]; !ok && (name != usingPush || !pushes) {
			return nil, unknownCapability(name)
		}
	}
	if len(q.MethodCalls) > maxCallsInRequest {
		return nil, overLimit(http.StatusBadRequest, "maxCallsInRequest")
	}
	return &q, nil
}

// answer runs the calls of a request, one after the other.
func (s *Server) answer(ctx context.Context, u mail.User, client mail.Client, body []byte) (*response, *problem) {
	q, p := read(body, s.Push != nil)
	if p != nil {
		return nil, p
	}
	c := &Call{User: u, srv: s, ctx: ctx, client: client, using: q.Using, created: q.CreatedIDs, answers: []invocation{}}
	if c.created == nil {
		c.created = map[string]string{}
	}
	for _, call := range q.MethodCalls {
		if ctx.Err() != nil {
			break
		}
		c.name, c.id = call.name, call.id
		out, err := c.run(ctx, call)
		if err == nil {
			err = c.say(call.name, out)
		}
		if err != nil && err != answeredMore {
			f, fault := c.told(err)
			if fault {
				s.log().ErrorContext(ctx, "jmap", "user", u.ID, "method", call.name, "err", err)
			}
			c.say("error", f)
		}
	}
	state, err := s.sessionState(ctx, u)
	if err != nil {
		s.log().ErrorContext(ctx, "jmap session", "user", u.ID, "err", err)
	}
	r := &response{MethodResponses: c.answers, SessionState: state}
	if q.CreatedIDs != nil {
		r.CreatedIDs = c.created
	}
	return r, nil
}

// say adds an answer. A method may have said others before its own.
func (c *Call) say(name string, out any) error {
	raw, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if c.size += len(raw); c.size > maxResponse {
		c.size -= len(raw)
		return &failure{Type: "requestTooLarge", Description: "the answer would be too large; ask for less at once"}
	}
	c.answers = append(c.answers, invocation{name: name, args: raw, id: c.id})
	return nil
}

// answeredMore is returned by a method that has said all its answers itself.
var answeredMore = errors.New("all is said")

// also runs a call that the one under way implies, and says its answer under the
// same id (RFC 8620 §3.4); what was asked for must be said before.
func also[A any](ctx context.Context, c *Call, name string, args *A, f func(context.Context, *Call, *A) (any, error)) (any, error) {
	out, err := f(ctx, c, args)
	if err == nil {
		err = c.say(name, out)
	}
	if err != nil {
		return nil, err
	}
	return nil, answeredMore
}

// run runs one call. A panic is our fault, and not the end of the others.
func (c *Call) run(ctx context.Context, call invocation) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.srv.log().ErrorContext(ctx, "panic", "method", call.name, "panic", p, "stack", string(debug.Stack()))
			out, err = nil, &failure{Type: "serverFail"}
		}
	}()
	m, ok := methods[call.name]
	if !ok || !c.uses(m.using) {
		return nil, &failure{Type: "unknownMethod"}
	}
	args, err := c.resolve(call.args)
	if err != nil {
		return nil, err
	}
	return m.run(ctx, c, args)
}
