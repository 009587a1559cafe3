import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.crypto.Ed25519Verifier;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.Set;

/**
 * Verifies a True Markets access token, which it reads from standard input.
 *
 * <ol>
 *   <li>Load the public keys of the issuer (TM_JWKS, a URL or a file; by default the issuer's URL).
 *   <li>Pick the key that the token's {@code kid} names. The key determines the algorithm.
 *   <li>Verify the signature, then type, issuer, audience and expiry.
 * </ol>
 *
 * <p>A service caches the keys for the five minutes that the issuer's Cache-Control allows, and
 * fetches them again if a token names an unknown key. Nimbus' {@code JWKSourceBuilder} does both.
 */
public final class Verify {
    private static final int LEEWAY_SECONDS = 10;
    private static final Set<String> REQUIRED = Set.of("sub", "exp", "iat", "jti", "client_id");

    public static void main(String[] args) throws IOException, ParseException {
        String issuer = setting("TM_ISSUER");
        String audience = setting("TM_AUDIENCE");
        String jwks = System.getenv().getOrDefault("TM_JWKS", issuer + "/.well-known/jwks.json");
        JWKSet keys = keySet(jwks);
        String token = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).strip();
        try {
            System.out.println(verify(token, keys, issuer, audience));
        } catch (ParseException | JOSEException | BadJOSEException invalid) {
            System.err.println("refused: " + invalid.getMessage());
            System.exit(1);
        }
    }

    private static JWTClaimsSet verify(String token, JWKSet keys, String issuer, String audience)
            throws ParseException, JOSEException, BadJOSEException {
        SignedJWT jwt = SignedJWT.parse(token);
        JWK key = jwt.getHeader().getKeyID() == null ? null : keys.getKeyByKeyId(jwt.getHeader().getKeyID());
        if (key == null) {
            throw new BadJOSEException("the issuer has no key with the token's kid");
        }
        // RFC 8725 section 3.1: the key determines the algorithm, not the token.
        if (!jwt.getHeader().getAlgorithm().equals(key.getAlgorithm())) {
            throw new BadJOSEException("the token's alg is not its key's");
        }
        if (!jwt.verify(verifier(key))) {
            throw new BadJOSEException("the signature does not verify");
        }
        // RFC 9068 section 4: do not accept a refresh token or an ID token.
        if (!new JOSEObjectType("at+jwt").equals(jwt.getHeader().getType())) {
            throw new BadJOSEException("not an access token: typ is not at+jwt");
        }
        JWTClaimsSet claims = jwt.getJWTClaimsSet();
        var rules = new DefaultJWTClaimsVerifier<SecurityContext>(
                audience, new JWTClaimsSet.Builder().issuer(issuer).build(), REQUIRED);
        rules.setMaxClockSkew(LEEWAY_SECONDS);
        rules.verify(claims, null);
        return claims;
    }

    private static JWSVerifier verifier(JWK key) throws JOSEException {
        return switch (key.getKeyType().getValue()) {
            case "RSA" -> new RSASSAVerifier(key.toRSAKey());
            case "EC" -> new ECDSAVerifier(key.toECKey());
            case "OKP" -> new Ed25519Verifier(key.toOctetKeyPair());
            default -> throw new JOSEException("keys of type " + key.getKeyType() + " are not supported");
        };
    }

    private static JWKSet keySet(String source) throws IOException, ParseException {
        boolean url = source.startsWith("http://") || source.startsWith("https://");
        return url
                ? JWKSet.load(URI.create(source).toURL(), 5_000, 5_000, 64 * 1024)
                : JWKSet.load(new File(source));
    }

    private static String setting(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            System.err.println("set " + name);
            System.exit(1);
        }
        return value;
    }
}
