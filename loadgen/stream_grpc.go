package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// raw is a codec that passes messages on as bytes: the plan says what they hold, and nobody
// reads the responses.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) {
	if b, ok := v.([]byte); ok {
		return b, nil
	}
	return proto.Marshal(v.(proto.Message))
}

func (raw) Unmarshal(data []byte, v any) error {
	if m, ok := v.(proto.Message); ok {
		return proto.Unmarshal(data, m)
	}
	return nil
}

// rpc is an open stream of gRPC, on a connection of its own.
type rpc struct {
	*ended
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	stop   context.CancelFunc

	quiet context.CancelFunc // stops sending messages
	sent  chan struct{}      // it has ended
}

// grpcKind is streams of gRPC.
var grpcKind = streamKind{GRPC, "gRPC", openGRPC}

func openGRPC(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if u.Scheme == "https" {
		creds = credentials.NewTLS(cfg.TLS)
	}
	conn, err := grpc.NewClient("passthrough:///"+u.Host, grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent(cfg.UserAgent),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return conns.dial(ctx, "tcp", addr)
		}))
	if err != nil {
		return nil, err
	}
	message, err := s.message(s.withHeader(ctx), conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	opening := context.AfterFunc(ctx, stop)
	life = s.withHeader(life)
	stream, err := conn.NewStream(life, &grpc.StreamDesc{StreamName: s.Method, ClientStreams: true, ServerStreams: true},
		s.Method, grpc.ForceCodec(raw{}))
	if err == nil {
		err = stream.SendMsg(message)
	}
	if err != nil {
		stop()
		conn.Close()
		return nil, plainStatus(err)
	}
	opening()
	r := &rpc{ended: newEnded(), conn: conn, stream: stream, stop: stop, sent: make(chan struct{})}
	go r.read()
	var sending context.Context
	sending, r.quiet = context.WithCancel(life)
	go func() {
		defer close(r.sent)
		if s.Every > 0 && rest(sending, s.Every) {
			again(sending, s.Every, func() bool { return stream.SendMsg(message) == nil })
		}
	}()
	return r, nil
}

// withHeader adds the stream's headers to a context, as metadata.
func (s Stream) withHeader(ctx context.Context) context.Context {
	for k, vs := range s.Header {
		for _, v := range vs {
			ctx = metadata.AppendToOutgoingContext(ctx, k, v)
		}
	}
	return ctx
}

// read receives what the server sends until the stream ends.
func (r *rpc) read() {
	for {
		if err := r.stream.RecvMsg(nil); err != nil {
			if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
				err = nil
			}
			r.stop()
			r.conn.Close()
			r.end(plainStatus(err))
			return
		}
	}
}

// close half-closes the stream, waits a moment for the server to end it, and cancels it if
// the server does not.
func (r *rpc) close() {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	r.quiet()
	select { // a message may be in flight, and two goroutines must not send at once
	case <-r.sent:
		_ = r.stream.CloseSend()
		select {
		case <-r.done():
		case <-timer.C:
		}
	case <-timer.C:
	}
	r.stop()
	<-r.done()
	<-r.sent
}

// plainStatus removes gRPC's own wording from an error.
func plainStatus(err error) error {
	if s, ok := status.FromError(err); ok && err != nil {
		if s.Code() == codes.DeadlineExceeded {
			return context.DeadlineExceeded
		}
		return fmt.Errorf("%s: %s", s.Code(), s.Message())
	}
	return err
}

// encoded is a message as bytes, shared by all connections of a stream.
type encoded struct {
	mu   sync.Mutex
	text []byte
}

// message returns the plan's message as bytes. The empty message is valid for every type;
// for any other, the server is asked what its method takes.
func (s Stream) message(ctx context.Context, conn *grpc.ClientConn) ([]byte, error) {
	if strings.TrimSpace(s.Send) == "" || strings.TrimSpace(s.Send) == "{}" {
		return []byte{}, nil
	}
	s.encoded.mu.Lock()
	defer s.encoded.mu.Unlock()
	if s.encoded.text != nil {
		return s.encoded.text, nil
	}
	input, err := inputOf(ctx, conn, s.Method)
	if err != nil {
		return nil, fmt.Errorf("looking up the message type of %s: %w", s.Method, err)
	}
	m := dynamicpb.NewMessage(input)
	if err := protojson.Unmarshal([]byte(s.Send), m); err != nil {
		return nil, fmt.Errorf("send is not a valid %s: %w", input.FullName(), err)
	}
	s.encoded.text, err = proto.Marshal(m)
	return s.encoded.text, err
}

// inputOf asks a server for the message type of a method, by reflection.
func inputOf(ctx context.Context, conn *grpc.ClientConn, method string) (protoreflect.MessageDescriptor, error) {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	client, err := reflection.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, plainStatus(err)
	}
	defer func() { _ = client.CloseSend() }()
	err = client.Send(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}})
	if err != nil {
		return nil, plainStatus(err)
	}
	answer, err := client.Recv()
	if err != nil {
		return nil, plainStatus(err)
	}
	if e := answer.GetErrorResponse(); e != nil {
		return nil, errors.New(e.GetErrorMessage())
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, b := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(b, f); err != nil {
			return nil, err
		}
		set.File = append(set.File, f)
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	if err != nil {
		return nil, err
	}
	return methodInput(files, protoreflect.FullName(service), protoreflect.Name(name))
}

func methodInput(files *protoregistry.Files, service protoreflect.FullName,
	method protoreflect.Name) (protoreflect.MessageDescriptor, error) {
	d, err := files.FindDescriptorByName(service)
	if err != nil {
		return nil, err
	}
	s, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", service)
	}
	m := s.Methods().ByName(method)
	if m == nil {
		return nil, fmt.Errorf("%s has no method %s", service, method)
	}
	return m.Input(), nil
}
