package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"colporteur/world"
)

// desk is what the script in Node is told.
type desk struct {
	Chromium string `json:"chromium"`
	Base     string `json:"base"`
	Shots    string `json:"shots"`
	Name     string `json:"name"` // of the set of pages, for the screenshots
	Address  string `json:"address"`
	Password string `json:"password"`
	First    string `json:"first"` // page after signing in
	Pages    []leaf `json:"pages"`
}

// leaf is one page, or what a form on it leads to.
type leaf struct {
	Name  string            `json:"name"`
	Path  string            `json:"path"`
	Fill  map[string]string `json:"fill,omitempty"`
	Press string            `json:"press,omitempty"`
}

// walk opens all pages in both languages, light and dark, on a phone and a desk,
// with and without scripts. Its screenshots stay in $COLPORTEUR_SHOTS, if that is set.
func walk(t *testing.T, home *world.Server, who *world.Member, s desk) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	s.Chromium, s.Base, s.Address, s.Password = chromium, "http://"+home.Addr("http"), who.Address, who.Password
	if s.Shots = os.Getenv("COLPORTEUR_SHOTS"); s.Shots == "" {
		s.Shots = t.TempDir()
	}
	told, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "pages.mjs")
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Chromium goes with it
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	node.Stdin, node.Stderr = bytes.NewReader(told), os.Stderr
	out, err := node.Output()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok ") {
			t.Log(line)
		} else {
			t.Error(line)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
