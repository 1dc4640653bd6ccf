import java.io.*;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.cert.Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

/**
 * A TLS server that asks by OCSP whether a client's certificate was revoked, as PKIX
 * in Java does it: java Server.java DIRECTORY ADDRESS PORT.
 */
public class Server {
    public static void main(String[] a) throws Exception {
        // A session that goes on is not judged anew: so there are none.
        System.setProperty("jdk.tls.server.enableSessionTicketExtension", "false");
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(keys(Path.of(a[0], "current")), trust(Path.of(a[0], "current")), null);
        SSLServerSocket listener = (SSLServerSocket) tls.getServerSocketFactory().createServerSocket();
        listener.bind(new InetSocketAddress(a[1], Integer.parseInt(a[2])));
        listener.setNeedClientAuth(true);
        while (true) {
            SSLSocket client = (SSLSocket) listener.accept();
            new Thread(() -> serve(client)).start();
        }
    }

    static void serve(SSLSocket client) {
        try (client) {
            client.startHandshake();
            client.getSession().invalidate();
            BufferedReader in = new BufferedReader(new InputStreamReader(client.getInputStream()));
            while (!in.readLine().isEmpty()) {
            }
            client.getOutputStream().write("HTTP/1.0 200 OK\r\n\r\nhello\n".getBytes(StandardCharsets.UTF_8));
        } catch (Exception e) {
            for (Throwable t = e; t != null; t = t.getCause()) {
                System.err.println(t);
            }
        }
    }

    /** Who may come in: who chains to our roots, and of whom OCSP says that all is well. */
    static TrustManager[] trust(Path dir) throws Exception {
        KeyStore roots = empty();
        int n = 0;
        for (Certificate root : certificates(dir.resolve("roots.pem"))) {
            roots.setCertificateEntry("root" + n++, root);
        }
        PKIXRevocationChecker checker = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
        checker.setOptions(EnumSet.of( // no SOFT_FAIL: what cannot be found out is a refusal
                PKIXRevocationChecker.Option.ONLY_END_ENTITY, PKIXRevocationChecker.Option.NO_FALLBACK));
        PKIXBuilderParameters params = new PKIXBuilderParameters(roots, new X509CertSelector());
        params.addCertPathChecker(checker);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(new CertPathTrustManagerParameters(params));
        return factory.getTrustManagers();
    }

    static KeyManager[] keys(Path dir) throws Exception {
        String pem = Files.readString(dir.resolve("key.pem")).replaceAll("-----[^-]+-----|\\s", "");
        Certificate[] chain = certificates(dir.resolve("cert.pem")).toArray(new Certificate[0]);
        KeyFactory keys = KeyFactory.getInstance(chain[0].getPublicKey().getAlgorithm());
        PrivateKey key = keys.generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        KeyStore own = empty();
        own.setKeyEntry("own", key, new char[0], chain);
        KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
        factory.init(own, new char[0]);
        return factory.getKeyManagers();
    }

    static Collection<? extends Certificate> certificates(Path file) throws Exception {
        try (InputStream in = Files.newInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in);
        }
    }

    static KeyStore empty() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }
}
