package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/tollhouse/tollhouse/adapters"
	dialect "github.com/tollhouse/tollhouse/adapters/dialects/bedrock"
	"github.com/tollhouse/tollhouse/events"
)

// noEnvironment keeps what this machine knows of AWS out of a test.
func noEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK"} {
		t.Setenv(name, "")
	}
}

func target(e *adapters.Endpoint, registry map[string]string) *adapters.Target {
	return &adapters.Target{Registry: &adapters.Registry{Options: registry}, Endpoint: e, SentModel: "eu.amazon.nova-lite-v1:0"}
}

var chat = &adapters.RequestContext{
	Dialect: dialect.Dialect{}, Operation: adapters.OperationChat, Method: http.MethodPost,
	Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cookie": {"c"}, "Authorization": {"AWS4-HMAC-SHA256 the client's"}},
}

func parse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAddressAndBearerKey(t *testing.T) {
	noEnvironment(t)
	for name, c := range map[string]struct {
		endpoint adapters.Endpoint
		registry map[string]string
		want     string
	}{
		"the registry's region":     {adapters.Endpoint{}, map[string]string{"region": "us-east-1"}, "https://bedrock-runtime.us-east-1.amazonaws.com/model/eu.amazon.nova-lite-v1%3A0/converse"},
		"the endpoint's region":     {adapters.Endpoint{Options: map[string]string{"region": "eu-central-1"}}, map[string]string{"region": "us-east-1"}, "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.amazon.nova-lite-v1%3A0/converse"},
		"China has a domain itself": {adapters.Endpoint{}, map[string]string{"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/eu.amazon.nova-lite-v1%3A0/converse"},
		"another address":           {adapters.Endpoint{BaseURL: parse(t, "http://proxy:8080/a%2Fb/")}, nil, "http://proxy:8080/a%2Fb/model/eu.amazon.nova-lite-v1%3A0/converse"},
	} {
		t.Run(name, func(t *testing.T) {
			c.endpoint.APIKey = "ABSK-secret"
			up, err := New().NewRequest(context.Background(), target(&c.endpoint, c.registry), chat, []byte(`{"a":1}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := up.URL.String(); got != c.want || up.Host != up.URL.Host {
				t.Errorf("%s at %s, want %s", got, up.Host, c.want)
			}
			want := http.Header{
				"Authorization": {"Bearer ABSK-secret"}, "Content-Type": {"application/json"},
				"Accept-Encoding": {"identity"}, "User-Agent": {"tollhouse"},
			}
			if diff := cmp.Diff(want, up.Header); diff != "" {
				t.Error(diff)
			}
			if body, _ := io.ReadAll(up.Body); string(body) != `{"a":1}` {
				t.Errorf("body %s", body)
			}
		})
	}
}

// The signature was calculated apart from this code, after AWS's description of Signature Version 4: the path's escapes are escaped
// once more, and all headers but the client's own are signed.
func TestSignature(t *testing.T) {
	noEnvironment(t)
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	own := adapters.Endpoint{Options: map[string]string{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}}
	withSession := adapters.Endpoint{Options: map[string]string{
		"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session_token": "a/session",
	}}
	found := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, nil
	})
	for name, c := range map[string]struct {
		endpoint           adapters.Endpoint
		session            string
		headers, signature string
	}{
		"the endpoint's key":     {own, "", "accept-encoding;content-length;content-type;host;x-amz-date", "923526798642a51be3d5ebfd0949860c8fe8ca32c8b564f2ff7a42ff67a8a6a7"},
		"with a session":         {withSession, "a/session", "accept-encoding;content-length;content-type;host;x-amz-date;x-amz-security-token", "3427c9de76692c06848309cadd29d94af19a1afe93b4f1e4bb19540f22e4defc"},
		"the environment's role": {adapters.Endpoint{}, "", "accept-encoding;content-length;content-type;host;x-amz-date", "923526798642a51be3d5ebfd0949860c8fe8ca32c8b564f2ff7a42ff67a8a6a7"},
	} {
		t.Run(name, func(t *testing.T) {
			p := New()
			p.signer.now = func() time.Time { return at }
			p.signer.environment = func() (aws.CredentialsProvider, error) { return found, nil }
			up, err := p.NewRequest(context.Background(), target(&c.endpoint, map[string]string{"region": "us-east-1"}), chat, []byte(`{"a":1}`))
			if err != nil {
				t.Fatal(err)
			}
			want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=" + c.headers + ", Signature=" + c.signature
			if got := up.Header.Get("Authorization"); got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
			if got := up.Header.Get("X-Amz-Security-Token"); got != c.session {
				t.Errorf("session %q", got)
			}
		})
	}
}

func TestWithoutCredentials(t *testing.T) {
	noEnvironment(t)
	p := New()
	p.signer.environment = func() (aws.CredentialsProvider, error) { return nil, errors.New("nothing there") }
	_, err := p.NewRequest(context.Background(), target(&adapters.Endpoint{}, map[string]string{"region": "us-east-1"}), chat, nil)
	if !errors.Is(err, adapters.ErrNoCredential) {
		t.Errorf("error %v", err)
	}
	invoker := adapters.NewProviderInvoker(adapters.InvokerOptions{})
	defer invoker.Close()
	unauthorized := target(&adapters.Endpoint{}, map[string]string{"region": "us-east-1"})
	unauthorized.Registry.Provider = p
	if resp, err := invoker.Invoke(t.Context(), unauthorized, chat); err == nil || resp.ErrorClass != events.ErrorCredential || !resp.WroteRequestAt.IsZero() {
		t.Errorf("class %s: %v", resp.ErrorClass, err)
	}
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "from-env")
	up, err := p.NewRequest(context.Background(), target(&adapters.Endpoint{}, map[string]string{"region": "us-east-1"}), chat, nil)
	if err != nil || up.Header.Get("Authorization") != "Bearer from-env" {
		t.Errorf("%v, %v", up, err)
	}
}

func TestCheckNamesEachKey(t *testing.T) {
	noEnvironment(t)
	type options = map[string]string
	for name, c := range map[string]struct {
		registry options
		endpoint adapters.Endpoint
		want     []string // the keys
	}{
		"a bearer key":          {options{"region": "us-east-1"}, adapters.Endpoint{APIKey: "s3cret"}, nil},
		"an access key":         {nil, adapters.Endpoint{Options: options{"region": "us-gov-west-1", "access_key_id": "a", "secret_access_key": "s3cret"}}, nil},
		"a session":             {options{"region": "us-east-1"}, adapters.Endpoint{Options: options{"access_key_id": "a", "secret_access_key": "s3cret", "session_token": "s3cret"}}, nil},
		"the environment":       {options{"region": "us-east-1"}, adapters.Endpoint{}, nil},
		"a bearer key, address": {nil, adapters.Endpoint{APIKey: "s3cret", BaseURL: &url.URL{Scheme: "https", Host: "x"}}, nil},
		"no region":             {nil, adapters.Endpoint{APIKey: "s3cret"}, []string{"endpoints[0].region"}},
		"no region to sign for": {nil, adapters.Endpoint{BaseURL: &url.URL{Scheme: "https", Host: "x"}}, []string{"endpoints[0].region"}},
		"a region that is none": {options{"region": "s3cret.example.com/"}, adapters.Endpoint{APIKey: "s3cret"}, []string{"region"}},
		"unknown keys":          {options{"region": "us-east-1", "x": "s3cret"}, adapters.Endpoint{APIKey: "s3cret", Options: options{"y": "s3cret"}}, []string{"endpoints[0].y", "x"}},
		"half an access key":    {options{"region": "us-east-1"}, adapters.Endpoint{Options: options{"access_key_id": "s3cret"}}, []string{"endpoints[0].secret_access_key"}},
		"the other half":        {options{"region": "us-east-1"}, adapters.Endpoint{Options: options{"secret_access_key": "s3cret"}}, []string{"endpoints[0].access_key_id"}},
		"a session alone":       {options{"region": "us-east-1"}, adapters.Endpoint{Options: options{"session_token": "s3cret"}}, []string{"endpoints[0].access_key_id"}},
		"both kinds of key":     {options{"region": "us-east-1"}, adapters.Endpoint{APIKey: "s3cret", Options: options{"access_key_id": "a", "secret_access_key": "s3cret"}}, []string{"endpoints[0].api_key"}},
		"an odd address":        {options{"region": "us-east-1"}, adapters.Endpoint{APIKey: "s3cret", BaseURL: &url.URL{Scheme: "ftp", Host: "x"}}, []string{"endpoints[0].base_url"}},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := New().Check(&adapters.Registry{Options: c.registry, Endpoints: []*adapters.Endpoint{&c.endpoint}})
			var got []string
			for _, err := range wrong {
				key, _, _ := strings.Cut(err.Error(), ": ")
				got = append(got, key)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want the keys %v", wrong, c.want)
			}
			if strings.Contains(fmt.Sprint(wrong), "s3cret") {
				t.Errorf("a value is shown: %v", wrong)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		status  int
		kind    string // the header
		body    string
		outcome adapters.Outcome
		class   events.ErrorClass
	}{
		{400, "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", `{"message":"x"}`, adapters.OutcomeTerminal, events.ErrorInvalidRequest},
		{400, "", `{"message":"x"}`, adapters.OutcomeTerminal, events.ErrorInvalidRequest},
		{400, "ServiceQuotaExceededException", ``, adapters.OutcomeRetryable, events.ErrorRateLimited},
		{403, "AccessDeniedException", ``, adapters.OutcomeRetryable, events.ErrorCredential},
		{403, "", `{"__type":"com.amazon.coral.service#UnrecognizedClientException"}`, adapters.OutcomeRetryable, events.ErrorCredential},
		{404, "ResourceNotFoundException", ``, adapters.OutcomeTerminal, events.ErrorNotFound},
		{408, "ModelTimeoutException", ``, adapters.OutcomeRetryable, events.ErrorTimeout},
		{424, "ModelErrorException", ``, adapters.OutcomeRetryable, events.ErrorOverloaded},
		{424, "", `<html>`, adapters.OutcomeRetryable, events.ErrorOverloaded},
		{429, "ThrottlingException", ``, adapters.OutcomeRetryable, events.ErrorRateLimited},
		{429, "ModelNotReadyException", ``, adapters.OutcomeRetryable, events.ErrorOverloaded},
		{500, "InternalServerException", ``, adapters.OutcomeRetryable, events.ErrorOverloaded},
		{503, "", ``, adapters.OutcomeRetryable, events.ErrorOverloaded},
	} {
		h := http.Header{}
		if c.kind != "" {
			h.Set("x-amzn-errortype", c.kind)
		}
		if v := New().Classify(c.status, h, []byte(c.body)); v.Outcome != c.outcome || v.Class != c.class {
			t.Errorf("%d %s%s: %v, %s; want %v, %s", c.status, c.kind, c.body, v.Outcome, v.Class, c.outcome, c.class)
		}
	}
}

func TestWhatItCanBeAskedFor(t *testing.T) {
	for op, want := range map[adapters.Operation]adapters.Dialect{
		adapters.OperationChat: dialect.Dialect{}, adapters.OperationCountTokens: dialect.Dialect{}, adapters.OperationEmbeddings: nil,
	} {
		if got := New().Dialect(dialect.Dialect{}, op, "m"); got != want {
			t.Errorf("%s: %v", op, got)
		}
	}
}

func TestTheEnvironmentIsAsked(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "session",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	chain, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	got, err := chain.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "AKIDEXAMPLE" || got.SecretAccessKey != "s3cret" || got.SessionToken != "session" {
		t.Errorf("%v", err)
	}
}
