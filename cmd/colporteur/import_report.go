package main

import (
	"fmt"
	"os"
	"strings"

	"colporteur/importer"
	"colporteur/locale"
)

// importReport tells how the copying goes: a bar on a terminal, a line for
// each folder anywhere.
type importReport struct {
	*cli
	locale.Printer
	look  bool
	bar   *os.File // nil when it is no terminal
	drawn bool
	total importer.Tally
}

var _ importer.Report = (*importReport)(nil)

func (r *importReport) Plan(total importer.Tally) {
	r.total = total
	if !r.look {
		r.printf("%s\n", r.T("import-plan", "Count", total.New, "Size", r.Size(total.Bytes), "Have", total.Have))
	}
}

func (r *importReport) Progress(folder string, mails int, bytes int64) {
	if r.bar == nil || r.look {
		return
	}
	part := 1.0
	if r.total.Bytes > 0 {
		part = min(float64(bytes)/float64(r.total.Bytes), 1)
	}
	const wide = 24
	full := int(part * wide)
	line := fmt.Sprintf("[%s%s] %3.0f %%  %d/%d  %s", strings.Repeat("#", full), strings.Repeat(".", wide-full),
		100*part, mails, r.total.New, tidy(folder))
	if all := []rune(line); len(all) >= columns(r.bar) {
		line = string(all[:columns(r.bar)-1])
	}
	fmt.Fprintf(r.out, "\r\x1b[K%s", line)
	r.drawn = true
}

// end takes the bar away.
func (r *importReport) end() {
	if r.drawn {
		fmt.Fprint(r.out, "\r\x1b[K")
		r.drawn = false
	}
}

func (r *importReport) Failed(folder string, uid uint32, why string) {
	r.end()
	if uid == 0 {
		fmt.Fprintln(r.err, r.T("import-folder-failed", "Folder", tidy(folder), "Why", tidy(why)))
		return
	}
	fmt.Fprintln(r.err, r.T("import-mail-failed", "Folder", tidy(folder), "UID", uid, "Why", tidy(why)))
}

func (r *importReport) Folder(name, to string, done importer.Tally) {
	r.end()
	id := "import-folder"
	if r.look {
		id = "import-folder-would"
	}
	r.printf("%s\n", r.T(id, "Folder", tidy(name), "To", tidy(to), "Count", done.New, "Have", done.Have, "Failed", done.Failed, "Size", r.Size(done.Bytes)))
}
