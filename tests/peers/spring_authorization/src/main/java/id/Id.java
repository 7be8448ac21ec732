package id;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.io.IOException;
import java.nio.file.Path;
import java.text.ParseException;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtEncoder;
import org.springframework.security.oauth2.jwt.NimbusJwtEncoder;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;

/** The authorization server. */
@SpringBootApplication
public class Id {
  public static void main(String[] arguments) {
    SpringApplication.run(Id.class, arguments);
  }

  /** The keys of a file, read each time: the first one signs, all are published. */
  @Bean
  JWKSource<SecurityContext> keys(@Value("${id.keys}") Path file) {
    return (selector, context) -> {
      try {
        return selector.select(JWKSet.load(file.toFile()));
      } catch (IOException | ParseException error) {
        throw new IllegalStateException("the keys cannot be read", error);
      }
    };
  }

  @Bean
  JwtEncoder encoder(JWKSource<SecurityContext> keys) {
    var encoder = new NimbusJwtEncoder(keys);
    encoder.setJwkSelector(all -> all.get(0));
    return encoder;
  }

  /** Access tokens by RFC 9068, for the services that their scopes name: `orders:read` is a scope of `orders`. */
  @Bean
  OAuth2TokenCustomizer<JwtEncodingContext> tokens() {
    return token -> {
      token.getJwsHeader().algorithm(SignatureAlgorithm.ES256);
      if (!token.getTokenType().equals(OAuth2TokenType.ACCESS_TOKEN)) {
        return;
      }
      token.getJwsHeader().type("at+jwt");
      token.getClaims().claim("client_id", token.getRegisteredClient().getClientId());
      var services = token.getAuthorizedScopes().stream()
          .filter(scope -> scope.contains(":")).map(scope -> scope.split(":")[0]).distinct().toList();
      if (!services.isEmpty()) {
        token.getClaims().audience(services);
      }
      var roles = token.getPrincipal().getAuthorities().stream().map(authority -> authority.getAuthority())
          .filter(name -> name != null && name.startsWith("ROLE_")).map(name -> name.substring(5)).toList();
      if (!roles.isEmpty()) {
        token.getClaims().claim("roles", roles);
      }
    };
  }
}
