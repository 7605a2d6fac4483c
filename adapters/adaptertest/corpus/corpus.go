// Package corpus reads recorded provider traffic that lies beside the project, ../shared/corpus. It is other people's, and never copied
// in: where it is not, tests that need it are skipped.
package corpus

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
)

// Case is one recorded exchange with what was derived from it independently.
type Case struct {
	Name     string
	Body     []byte // the request's
	Response []byte
	Stream   bool // as the request asks for it
	Meta     struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Framing string            `json:"framing"`
		URL     string            `json:"url"`
	}
	Expect struct {
		OK           bool    `json:"ok"`
		ID           *string `json:"id"`
		Model        *string `json:"model"`
		FinishReason *string `json:"finish_reason"`
		RequestID    *string `json:"request_id_header"`
		Refusal      *string `json:"refusal"`
		Usage        *struct {
			Input      *uint64 `json:"input"`
			CachedRead *uint64 `json:"cached_read"`
			CacheWrite *uint64 `json:"cache_write"`
			Reasoning  *uint64 `json:"reasoning"`
			AudioIn    *uint64 `json:"audio_in"`
			AudioOut   *uint64 `json:"audio_out"`
		} `json:"usage"`
		Inclusive *struct {
			Input  *uint64 `json:"input"`
			Output *uint64 `json:"output"`
		} `json:"usage_inclusive"`
		Error *struct {
			InStream bool    `json:"in_stream"`
			Message  *string `json:"message"`
		} `json:"error"`
		StreamInfo *struct {
			Terminal bool `json:"terminal"`
			SawDone  bool `json:"saw_done"`
		} `json:"stream_info"`
	}
}

// Dir finds the recordings beside the project; where there are none, the test is skipped.
func Dir(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	corpus := filepath.Join(dir, "..", "shared", "corpus")
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("the recordings are not here: %v", err)
	}
	return corpus
}

// Load reads the recordings of one API: openai/chat.
func Load(t testing.TB, corpus, api string) []Case {
	t.Helper()
	metas, err := filepath.Glob(filepath.Join(corpus, api, "*.meta.json"))
	if err != nil || len(metas) == 0 {
		t.Fatalf("no recordings of %s: %v", api, err)
	}
	var all []Case
	for _, path := range metas {
		base := strings.TrimSuffix(path, ".meta.json")
		r := Case{Name: filepath.Base(base)}
		Read(t, path, &r.Meta)
		Read(t, base+".expect.json", &r.Expect)
		var request struct {
			Body json.RawMessage `json:"body"`
		}
		Read(t, base+".request.json", &request)
		r.Body = request.Body
		files, _ := filepath.Glob(base + ".response.*")
		if r.Response, err = os.ReadFile(files[0]); err != nil {
			t.Fatal(err)
		}
		r.Stream = adapters.DetectStream(httptest.NewRequest(http.MethodPost, "/v1/x", nil), r.Body)
		all = append(all, r)
	}
	return all
}

// Read decodes a JSON file.
func Read(t testing.TB, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// WithoutUsageChunk is what a client of OpenAI Chat that did not ask for usage is to get of a stream: the provider's bytes without
// that chunk.
func (r *Case) WithoutUsageChunk() []byte {
	if r.Meta.Framing != "sse" {
		return r.Response
	}
	var kept []byte
	for rest := r.Response; len(rest) > 0; {
		event := rest
		if i := bytes.Index(rest, []byte("\n\n")); i >= 0 {
			event = rest[:i+2]
		} else if i := bytes.Index(rest, []byte("\r\n\r\n")); i >= 0 {
			event = rest[:i+4]
		}
		rest = rest[len(event):]
		var chunk struct {
			Choices *[]any          `json:"choices"`
			Usage   json.RawMessage `json:"usage"`
		}
		data := bytes.TrimPrefix(bytes.TrimSpace(event), []byte("data: "))
		if json.Unmarshal(data, &chunk) == nil && chunk.Choices != nil && len(*chunk.Choices) == 0 && len(chunk.Usage) > 4 {
			continue
		}
		kept = append(kept, event...)
	}
	return kept
}
