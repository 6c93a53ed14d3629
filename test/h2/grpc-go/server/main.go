// The interop server of gRPC, which answers UNAUTHENTICATED to whoever does not bring the credential that a proxy is to add.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // Compressed messages are read and answered in kind.
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/status"
)

var (
	certFile   = flag.String("cert", "", "PEM file of the certificate")
	keyFile    = flag.String("key", "", "PEM file of its key")
	credential = flag.String("authorization", "", "the value that `authorization` must have")
)

// authorize answers the error of a call that lacks the credential, or that asks for an error with details.
func authorize(ctx context.Context) error {
	fields, _ := metadata.FromIncomingContext(ctx)
	if got := fields.Get("authorization"); len(got) != 1 || got[0] != *credential {
		return status.Errorf(codes.Unauthenticated, "%d credentials, none of them right", len(got))
	}
	reasons := fields.Get("x-want-details")
	if len(reasons) == 0 {
		return nil
	}
	// The largest that a client takes is 8 KiB of metadata: details are to be long, but not that long.
	detailed, err := status.New(codes.FailedPrecondition, "with details").WithDetails(
		&errdetails.ErrorInfo{Reason: reasons[0], Domain: "origin.test", Metadata: map[string]string{"filler": strings.Repeat("x", 2000)}},
		&errdetails.RetryInfo{},
	)
	if err != nil {
		return err
	}
	return detailed.Err()
}

func main() {
	flag.Parse()
	creds, err := credentials.NewServerTLSFromFile(*certFile, *keyFile)
	if err != nil {
		log.Fatal(err)
	}
	unary := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := authorize(ctx); err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
	streaming := func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if err := authorize(stream.Context()); err != nil {
			return err
		}
		err := handler(server, stream)
		// What a client does not wait for must reach the server all the same; the test reads it here.
		if cause := stream.Context().Err(); cause != nil {
			fmt.Printf("ended %s %v\n", info.FullMethod, cause)
		}
		return err
	}
	recorder := orca.NewServerMetricsRecorder()
	server := grpc.NewServer(
		grpc.Creds(creds), grpc.MaxRecvMsgSize(32<<20),
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(streaming), orca.CallMetricsServerOption(nil),
	)
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer(interop.NewTestServerOptions{MetricsRecorder: recorder}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(server.Serve(listener))
}
