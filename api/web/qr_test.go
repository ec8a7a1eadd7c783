package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skip2/go-qrcode"
)

// What is drawn is the code, with its quiet zone.
func TestQR(t *testing.T) {
	const text = "https://records.example.edu/vc-api/exchanges/abcdefghijklmnopqrstuvwxyz?iuv=1"
	html, err := qr(text, `for "your" wallet`)
	if err != nil {
		t.Fatal(err)
	}
	drawn := string(html)
	if !strings.Contains(drawn, `aria-label="for &#34;your&#34; wallet"`) {
		t.Errorf("the label isn't escaped: %s", drawn[:200])
	}
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		t.Fatal(err)
	}
	want := code.Bitmap()
	got := make([][]bool, len(want))
	for y := range got {
		got[y] = make([]bool, len(want))
	}
	_, path, _ := strings.Cut(drawn, `class="dark" d="`)
	path, _, _ = strings.Cut(path, `"`)
	for _, run := range strings.Split(strings.TrimPrefix(path, "M"), "M") {
		var x, y, width, back int
		if _, err := fmt.Sscanf(run, "%d %dh%dv1h-%dz", &x, &y, &width, &back); err != nil || width != back {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range width {
			got[y][x+i] = true
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("another code is drawn")
	}
	if _, err := qr(strings.Repeat("x", 5000), ""); err == nil {
		t.Error("a text that fits into no code was drawn")
	}
}
