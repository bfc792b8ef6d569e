package workflowtest

import (
	"context"
	"sync"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/outgoing"
)

// settings are the answers of the house's members.
type settings struct {
	mu      sync.Mutex
	answers map[mail.UserID]string
}

var _ outgoing.Settings = (*settings)(nil)

func (s *settings) Outgoing(_ context.Context, _ *store.Tx, u mail.UserID) (string, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.answers[u]; a != "" {
		return a, 0, nil
	}
	return outgoing.Ask, 0, nil
}

func (s *settings) SetOutgoing(_ context.Context, _ *store.Tx, u mail.UserID, answer string, _ int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[u] = answer
	return nil
}
