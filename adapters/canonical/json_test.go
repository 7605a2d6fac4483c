package canonical

import "testing"

// FuzzAppendString: it writes what Marshal writes.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a <b> & \"c\" \\ d", "\x00\b\f\n\r\t\x1f\x7f", "Grüße 👋 第", "\u2028\u2029", "\xff\xe2\x82", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(AppendString(nil, s)), string(Marshal(s)); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	})
}
