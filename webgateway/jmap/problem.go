package jmap

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// problem is an error about a whole request (RFC 8620 §3.6.1, RFC 7807).
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Limit  string `json:"limit,omitempty"`
}

const urn = "urn:ietf:params:jmap:error:"

func notJSON(why string) *problem {
	return &problem{Type: urn + "notJSON", Status: http.StatusBadRequest, Detail: why}
}

func notRequest(why string) *problem {
	return &problem{Type: urn + "notRequest", Status: http.StatusBadRequest, Detail: why}
}

func unknownCapability(name string) *problem {
	return &problem{Type: urn + "unknownCapability", Status: http.StatusBadRequest, Detail: "there is no capability " + quoted(name) + " here"}
}

func overLimit(status int, limit string) *problem {
	return &problem{Type: urn + "limit", Status: status, Limit: limit, Detail: "the request exceeds the limit " + limit}
}

func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", "2")
	}
	w.WriteHeader(p.Status)
	json.MarshalWrite(w, p)
}

// quoted is a word of the client's, short enough to be said back to it.
func quoted(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "?"
	}
	return string(b)
}
