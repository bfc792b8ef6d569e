// Package gazette makes a month of an album into a paper: an A4 PDF in large
// type, mailed to those who asked for it, to be printed and posted to somebody
// who has no screen.
package gazette

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"

	"colporteur/locale"
)

// Paper is one album's month.
type Paper struct {
	Title  string
	From   string // whose album it is
	Month  time.Time
	Lang   string
	Photos []Photo
	More   int // photos of the month that found no place
}

// Photo is one picture with what is said about it.
type Photo struct {
	Width, Height int // pixels: only their proportion counts
	Caption       string
	Words         []Words
	Open          func() (io.ReadCloser, error) // a JPEG
}

// Words are what a guest or the owner wrote under a photo.
type Words struct{ Name, Text string }

// Lengths in millimetres, sizes of type in points. Type is large: the paper is
// for eyes of ninety.
const (
	pageWidth, pageHeight = 210.0, 297.0
	margin                = 15.0
	foot                  = 12.0
	titleSize             = 34.0
	captionSize           = 18.0
	wordsSize             = 15.0
	lead                  = 1.3 / 72 * 25.4 // line height in mm for a point of type
	maxPhotoHeight        = 112.0           // two to a page
	minPhotoHeight        = 85.0            // a photo is made smaller down to this, so that what is said stays on its page
)

// WritePDF writes the paper out. The same paper makes the same octets.
func (p *Paper) WritePDF(w io.Writer) error {
	say := locale.For(p.Lang)
	d := fpdf.New("P", "mm", "A4", "")
	d.SetCreationDate(p.Month)
	d.SetModificationDate(p.Month)
	d.SetCatalogSort(true)
	d.SetTitle(p.Title+" – "+say.Month(p.Month), true)
	d.SetLang(p.Lang)
	d.SetMargins(margin, margin, margin)
	d.SetAutoPageBreak(false, margin)
	d.SetCellMargin(0)
	d.AddUTF8FontFromBytes("Go", "", goregular.TTF)
	d.AddUTF8FontFromBytes("Go", "B", gobold.TTF)
	s := &sheet{pdf: d, say: say, letters: letters(), paper: p}
	s.title()
	for i, f := range p.Photos {
		if err := s.photo(i, f); err != nil {
			return fmt.Errorf("photo %d: %w", i+1, err)
		}
	}
	if p.More > 0 {
		s.room(2 * captionSize * lead)
		s.text("", captionSize, say.T("gazette-more", "Count", p.More))
	}
	return d.Output(w)
}

// sheet is the page that is being filled.
type sheet struct {
	pdf     *fpdf.Fpdf
	say     locale.Printer
	letters func(rune) bool // those that the type has
	paper   *Paper
	page    int
	fresh   bool // nothing but its margin is used
}

func (s *sheet) title() {
	s.newPage()
	s.text("B", titleSize, s.paper.Title)
	s.text("", captionSize, s.say.T("gazette-under", "Month", s.say.Month(s.paper.Month), "Name", s.paper.From))
	s.pdf.Ln(6)
}

func (s *sheet) newPage() {
	s.pdf.AddPage()
	s.page++
	s.fresh = true
	s.pdf.SetFont("Go", "", 11)
	s.pdf.SetXY(margin, pageHeight-foot)
	s.pdf.CellFormat(pageWidth-2*margin, 6, fmt.Sprint(s.page), "", 0, "C", false, 0, "")
	s.pdf.SetXY(margin, margin)
}

func (s *sheet) left() float64 { return pageHeight - foot - margin/2 - s.pdf.GetY() }

// room begins a page when less than h is left on this one.
func (s *sheet) room(h float64) {
	if s.left() < h && !s.fresh {
		s.newPage()
	}
}

// photo places a picture and what is said about it, together where they fit.
func (s *sheet) photo(i int, f Photo) error {
	wide, high := within(f.Width, f.Height)
	said := s.height("B", captionSize, f.Caption)
	for _, w := range f.Words {
		said += s.height("", wordsSize, w.line(s.say))
	}
	keep := math.Min(said, pageHeight/3) // a long conversation goes on overleaf
	if h := s.left() - keep - 8; h < high {
		if h < math.Min(high, minPhotoHeight) && !s.fresh {
			s.newPage()
			h = s.left() - keep - 8
		}
		if h < high {
			wide, high = wide*h/high, h
		}
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	name := fmt.Sprint(i)
	s.pdf.RegisterImageOptionsReader(name, fpdf.ImageOptions{ImageType: "JPG"}, r)
	r.Close()
	if err := s.pdf.Error(); err != nil {
		return err
	}
	s.pdf.ImageOptions(name, (pageWidth-wide)/2, s.pdf.GetY(), wide, high, false, fpdf.ImageOptions{ImageType: "JPG"}, 0, "")
	s.fresh = false
	s.pdf.SetXY(margin, s.pdf.GetY()+high+3)
	s.text("B", captionSize, f.Caption)
	for _, w := range f.Words {
		s.text("", wordsSize, w.line(s.say))
	}
	s.pdf.SetXY(margin, s.pdf.GetY()+5)
	return s.pdf.Error()
}

func (w Words) line(say locale.Printer) string {
	return say.T("gazette-words", "Name", w.Name, "Text", w.Text)
}

// within is how large a picture is printed, in millimetres.
func within(w, h int) (wide, high float64) {
	if w <= 0 || h <= 0 {
		w, h = 4, 3
	}
	wide = pageWidth - 2*margin
	high = wide * float64(h) / float64(w)
	if high > maxPhotoHeight {
		wide, high = wide*maxPhotoHeight/high, maxPhotoHeight
	}
	return wide, high
}

func (s *sheet) height(style string, size float64, text string) float64 {
	return float64(len(s.lines(style, size, text))) * size * lead
}

func (s *sheet) lines(style string, size float64, text string) []string {
	text = s.legible(text)
	if text == "" {
		return nil
	}
	s.pdf.SetFont("Go", style, size)
	return s.pdf.SplitText(text, pageWidth-2*margin)
}

func (s *sheet) text(style string, size float64, text string) {
	for _, line := range s.lines(style, size, text) {
		s.room(size * lead)
		s.pdf.SetFont("Go", style, size) // a new page has set its number
		s.pdf.CellFormat(pageWidth-2*margin, size*lead, line, "", 1, "L", false, 0, "")
		s.fresh = false
	}
}

// legible leaves out what the type has no letter for: an emoji would print as an
// empty box.
func (s *sheet) legible(text string) string {
	return strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r == '\u00a0' || r == '\u202f':
			return '\u00a0'
		case r > 0xffff || !s.letters(r):
			return -1
		}
		return r
	}, text), func(r rune) bool { return r == ' ' }), " ")
}

func letters() func(rune) bool {
	var b sfnt.Buffer
	f, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		return func(rune) bool { return true }
	}
	return func(r rune) bool {
		g, err := f.GlyphIndex(&b, r)
		return err == nil && g != 0
	}
}
