package eventstream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tollhouse/tollhouse/adapters/wire"
)

type seen struct{ name, data, raw string }

// scan reads a stream to its end.
func scan(r io.Reader, limit int) (all []seen, err error) {
	s := NewScanner(r, nil, limit)
	for {
		for {
			e, ok := s.Ready()
			if !ok {
				break
			}
			all = append(all, seen{e.Name, string(e.Data), string(e.Raw)})
		}
		if err := s.Fill(); err != nil {
			return all, err
		}
	}
}

// frame makes a frame out of headers that stand as they are.
func frame(headers, payload string) string {
	b := make([]byte, preludeLen)
	binary.BigEndian.PutUint32(b, uint32(minFrame+len(headers)+len(payload)))
	binary.BigEndian.PutUint32(b[4:], uint32(len(headers)))
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	b = append(append(b, headers...), payload...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

func header(name, value string) string { return string(appendHeader(nil, name, value)) }

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFrames(t *testing.T) {
	event := string(AppendEvent(nil, "messageStart", []byte(`{"role":"assistant"}`)))
	exception := string(AppendException(nil, "throttlingException", []byte(`{"message":"slow down"}`)))
	everyType := "\x01a\x00" + "\x01b\x01" + "\x01c\x02." + "\x01d\x03.." + "\x01e\x04...." + "\x01f\x05........" +
		"\x01g\x06\x00\x02.." + header(":event-type", "x") + "\x01h\x08........" + "\x01i\x09................"
	for name, c := range map[string]struct {
		in   string
		want []seen
		err  error
	}{
		"nothing":            {"", nil, io.EOF},
		"an event":           {event, []seen{{"messageStart", `{"role":"assistant"}`, event}}, io.EOF},
		"an exception":       {exception, []seen{{"throttlingException", `{"message":"slow down"}`, exception}}, io.EOF},
		"two":                {event + exception, []seen{{"messageStart", `{"role":"assistant"}`, event}, {"throttlingException", `{"message":"slow down"}`, exception}}, io.EOF},
		"every header type":  {frame(everyType, "p"), []seen{{"x", "p", frame(everyType, "p")}}, io.EOF},
		"an unmodeled error": {frame(header(":error-code", "Boom")+header(":error-message", "it broke"), ""), []seen{{"error:Boom", "it broke", frame(header(":error-code", "Boom")+header(":error-message", "it broke"), "")}}, io.EOF},
		// AWS's own example of an empty message, and of one with a payload and no headers.
		"published, empty":       {unhex(t, "00000010 00000000 05c248eb 7d98c8ff"), []seen{{"", "", unhex(t, "00000010000000000 5c248eb7d98c8ff")}}, io.EOF},
		"published, no headers":  {unhex(t, "0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c36539 36"), []seen{{"", "{'foo':'bar'}", unhex(t, "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936")}}, io.EOF},
		"cut":                    {event + exception[:30], []seen{{"messageStart", `{"role":"assistant"}`, event}}, io.EOF},
		"lengths damaged":        {event + "\x01" + event[1:], []seen{{"messageStart", `{"role":"assistant"}`, event}}, wire.ErrMalformed},
		"payload damaged":        {strings.Replace(event, "role", "rule", 1), nil, wire.ErrMalformed},
		"header damaged":         {strings.Replace(event, "messageStart", "messageStarT", 1), nil, wire.ErrMalformed},
		"checksum damaged":       {event[:len(event)-1] + string(event[len(event)-1]^1), nil, wire.ErrMalformed},
		"shorter than possible":  {string(lengths(8, 0)), nil, wire.ErrMalformed},
		"headers over the frame": {string(lengths(32, 17)), nil, wire.ErrMalformed},
		"over the limit":         {string(lengths(4097, 0)), nil, wire.ErrTooLong},
		"a header cut short":     {frame(":event", ""), nil, wire.ErrMalformed},
		"a header of no type":    {frame("\x01a\x0a", ""), nil, wire.ErrMalformed},
		"a value cut short":      {frame("\x01a\x07\x00\x09abc", ""), nil, wire.ErrMalformed},
		"a length cut short":     {frame("\x01a\x07\x00", ""), nil, wire.ErrMalformed},
		"not frames at all":      {"data: {}\n\ndata: [DONE]\n\n", nil, wire.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			for way, r := range map[string]io.Reader{"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in))} {
				got, err := scan(r, 4096)
				if !errors.Is(err, c.err) {
					t.Errorf("%s: error %v, want %v", way, err, c.err)
				}
				if len(got) != len(c.want) {
					t.Fatalf("%s: %d frames, want %d: %q", way, len(got), len(c.want), got)
				}
				for i, w := range c.want {
					if got[i] != w {
						t.Errorf("%s: frame %d is %q, want %q", way, i, got[i], w)
					}
				}
			}
		})
	}
}

func lengths(total, headers uint32) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, total), headers)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func TestAFrameThatClaimsToBeLongTakesNoMemory(t *testing.T) {
	s := NewScanner(bytes.NewReader(lengths(15<<20, 0)), nil, 16<<20)
	for s.Fill() == nil {
		if _, ok := s.Ready(); ok {
			t.Fatal("there is no frame")
		}
	}
	if n := len(s.Buffer()); n > 64<<10 {
		t.Errorf("the buffer has %d bytes for twelve", n)
	}
}

func TestFramesInARowAreOnePiece(t *testing.T) {
	in := AppendEvent(AppendEvent(nil, "a", []byte("{}")), "b", []byte("{}"))
	s := NewScanner(bytes.NewReader(in), nil, 1<<20)
	if err := s.Fill(); err != nil {
		t.Fatal(err)
	}
	a, _ := s.Ready()
	b, _ := s.Ready()
	if both := a.Raw[:len(a.Raw)+len(b.Raw)]; !bytes.Equal(both, in) {
		t.Errorf("%q, want %q", both, in)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(AppendEvent(nil, "messageStart", []byte(`{"role":"assistant"}`)))
	f.Add(AppendException(AppendEvent(nil, "a", nil), "throttlingException", []byte(`{}`)))
	f.Add(lengths(16, 0))
	f.Add(lengths(1<<31, 1<<30))
	f.Add([]byte(frame("\x01a\x06\xff\xff", "x")))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, errWhole := scan(bytes.NewReader(in), 1<<16)
		bytewise, errBytewise := scan(iotest.OneByteReader(bytes.NewReader(in)), 1<<16)
		if len(whole) != len(bytewise) || errors.Is(errWhole, io.EOF) != errors.Is(errBytewise, io.EOF) {
			t.Fatalf("%d frames and %v at once, %d and %v byte by byte", len(whole), errWhole, len(bytewise), errBytewise)
		}
		at := 0
		for i, e := range whole {
			if e != bytewise[i] {
				t.Fatalf("frame %d differs: %q and %q", i, e, bytewise[i])
			}
			if !bytes.HasPrefix(in[at:], []byte(e.raw)) {
				t.Fatalf("frame %d is not the bytes that came", i)
			}
			at += len(e.raw)
		}
	})
}
