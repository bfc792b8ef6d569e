package imap

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestByHand(t *testing.T) {
	out := os.Getenv("BYHAND")
	if out == "" {
		t.Skip()
	}
	h := newHost(t)
	os.WriteFile(out, []byte(fmt.Sprint(h.addr, " ", h.tls)), 0o600)
	for {
		if _, err := os.Stat(out); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
