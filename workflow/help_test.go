package workflow_test

import (
	"regexp"
	"strings"
	"testing"

	"colporteur/workflow"
	"colporteur/workflow/workflowtest"
)

var (
	guided  = regexp.MustCompile(`[\pL\pN.+-]+@home\.test`)
	command = regexp.MustCompile(`(?m)^\* ([A-Z]+)(?: (?:ou|or) ([A-Z]+))?$`)
)

func TestEverythingInTheGuideWorks(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		for _, c := range []struct {
			name      string
			m         workflowtest.Mail
			addresses int
		}{
			{"French", workflowtest.Mail{To: []string{"aide@home.test"}, Subject: "?"}, 10},
			{"English", workflowtest.Mail{User: workflowtest.Bob, To: []string{"help@home.test"}, Subject: "?"}, 10},
		} {
			if c.m.User.ID == 0 {
				c.m.User = workflowtest.Ann
			}
			h.Send(c.m)
			m := h.One(c.m.User.Address)
			found := guided.FindAllString(m.Text, -1)
			if len(found) != c.addresses {
				t.Errorf("%s: %d addresses, want %d: %q", c.name, len(found), c.addresses, found)
			}
			for _, a := range found {
				if _, ok := h.Mux.Match(strings.TrimSuffix(a, "@home.test")); !ok {
					t.Errorf("%s: nobody reads mail to %s", c.name, a)
				}
			}
			words := command.FindAllStringSubmatch(m.Text, -1)
			if len(words) != 7 {
				t.Errorf("%s: %d lines of words in\n%s", c.name, len(words), m.Text)
			}
			for _, w := range words {
				for _, w := range w[1:] {
					// Known to some programs only: the gazette's, and those of package notify.
					own := map[string]bool{"": true, "GAZETTE": true, "QUOTIDIEN": true, "DAILY": true, "MAINTENANT": true, "NOW": true}
					if !own[w] && workflow.ParseWord("", w) == workflow.None {
						t.Errorf("%s: nobody understands %q", c.name, w)
					}
				}
			}
		}
	})
}
