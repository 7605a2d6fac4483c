package bedrock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/tollhouse/tollhouse/adapters"
)

// service is the name that signatures are made for.
const service = "bedrock"

// signer signs requests with AWS's Signature Version 4.
type signer struct {
	v4  *v4.Signer
	now func() time.Time
	// environment finds credentials as every AWS SDK does: variables, shared files, web identity, a container's or a machine's role. It
	// keeps them until they expire.
	environment func() (aws.CredentialsProvider, error)
}

func newSigner() *signer {
	return &signer{v4: v4.NewSigner(), now: time.Now, environment: sync.OnceValues(environment)}
}

func environment() (aws.CredentialsProvider, error) {
	c, err := config.LoadDefaultConfig(context.Background())
	return c.Credentials, err
}

// accessKey returns the endpoint's own access key; it may have none.
func accessKey(e *adapters.Endpoint) aws.Credentials {
	return aws.Credentials{
		AccessKeyID: e.Options["access_key_id"], SecretAccessKey: e.Options["secret_access_key"],
		SessionToken: e.Options["session_token"],
	}
}

// sign signs the request with these credentials, or with the environment's where they are empty.
func (s *signer) sign(ctx context.Context, up *http.Request, body []byte, with aws.Credentials, region string) error {
	if !with.HasKeys() {
		chain, err := s.environment()
		if err == nil {
			with, err = chain.Retrieve(ctx)
		}
		if err != nil {
			return fmt.Errorf("%w in the environment of AWS: %w", adapters.ErrNoCredential, err)
		}
	}
	sum := sha256.Sum256(body)
	return s.v4.SignHTTP(ctx, with, up, hex.EncodeToString(sum[:]), service, region, s.now())
}
