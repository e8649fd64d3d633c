package io.github.tconv;

import static com.tngtech.archunit.base.DescribedPredicate.anyElementThat;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.codeUnits;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Keeps the rooms of the house apart. */
@AnalyzeClasses(packages = "io.github.tconv", importOptions = DoNotIncludeTests.class)
final class ArchitectureTest {
    private static final String HOUSE = "io.github.tconv";
    private static final String ROOM = HOUSE + ".%s..";

    private static final DescribedPredicate<JavaClass> JOCL = resideInAPackage("org.jocl..");
    private static final DescribedPredicate<JavaClass> PICOCLI = resideInAPackage("picocli..");

    private static String room(String name) {
        return ROOM.formatted(name);
    }

    @ArchTest
    static final ArchRule DEPENDENCIES_POINT_ONE_WAY = layeredArchitecture()
            .consideringOnlyDependenciesInAnyPackage(HOUSE + "..")
            // Rooms are built one after another; EVERY_CLASS_IS_IN_A_KNOWN_ROOM sees to it that none goes by another
            // name.
            .withOptionalLayers(true)
            .layer("op")
            .definedBy(room("op"))
            .layer("reference")
            .definedBy(room("reference"))
            .layer("opencl")
            .definedBy(room("opencl"))
            .layer("io")
            .definedBy(room("io"))
            .layer("face")
            .definedBy(HOUSE)
            .layer("verify")
            .definedBy(room("verify"))
            .layer("lesson")
            .definedBy(room("lesson"))
            .layer("picture")
            .definedBy(room("picture"))
            .layer("network")
            .definedBy(room("network"))
            .layer("bench")
            .definedBy(room("bench"))
            .layer("cli")
            .definedBy(room("cli"))
            .whereLayer("op")
            .mayNotAccessAnyLayer()
            .whereLayer("reference")
            .mayOnlyAccessLayers("op")
            .whereLayer("opencl")
            .mayOnlyAccessLayers("op")
            .whereLayer("io")
            .mayOnlyAccessLayers("op")
            .whereLayer("face")
            .mayOnlyAccessLayers("op", "opencl", "reference")
            .whereLayer("verify")
            .mayOnlyAccessLayers("op", "face")
            .whereLayer("lesson")
            .mayOnlyAccessLayers("op", "face", "network")
            .whereLayer("network")
            .mayOnlyAccessLayers("op", "face", "io")
            .whereLayer("picture")
            .mayOnlyAccessLayers("op", "face", "io", "network")
            .whereLayer("bench")
            .mayOnlyAccessLayers("op", "face", "opencl")
            .whereLayer("cli")
            .mayNotBeAccessedByAnyLayer();

    @ArchTest
    static final ArchRule EVERY_CLASS_IS_IN_A_KNOWN_ROOM = classes()
            .should()
            .resideInAnyPackage(
                    HOUSE,
                    room("op"),
                    room("reference"),
                    room("opencl"),
                    room("io"),
                    room("verify"),
                    room("lesson"),
                    room("network"),
                    room("picture"),
                    room("bench"),
                    room("cli"));

    @ArchTest
    static final ArchRule PACKAGES_HAVE_NO_CYCLE =
            slices().matching(HOUSE + ".(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule OP_NEEDS_NOTHING_BUT_THE_JDK = classes()
            .that()
            .resideInAPackage(room("op"))
            .should()
            .onlyDependOnClassesThat(resideInAnyPackage(
                    room("op"), "java..", "org.apache.commons.lang3..", "org.jspecify.annotations.."));

    @ArchTest
    static final ArchRule ONLY_OPENCL_KNOWS_JOCL = classes()
            .that(dependOn(JOCL))
            .should()
            .resideInAPackage(room("opencl"))
            .because("native handles have one owner, in one room");

    @ArchTest
    static final ArchRule OPENCL_IS_CALLED_THROUGH_ONE_CLASS = noClasses()
            .that()
            .doNotHaveFullyQualifiedName(HOUSE + ".opencl.Calls")
            .should()
            .dependOnClassesThat()
            .haveFullyQualifiedName("org.jocl.CL")
            .because("a test lets any call of that class fail");

    @ArchTest
    static final ArchRule ONLY_CLI_KNOWS_PICOCLI = noClasses()
            .that()
            .resideOutsideOfPackage(room("cli"))
            .should()
            .dependOnClassesThat(PICOCLI)
            .because("it is an optional dependency that the library must do without");

    @ArchTest
    static final ArchRule ONLY_CLI_TALKS_TO_THE_CONSOLE = noClasses()
            .that()
            .resideOutsideOfPackage(room("cli"))
            .should(ACCESS_STANDARD_STREAMS)
            .because("a library returns, throws or logs");

    @ArchTest
    static final ArchRule NO_PUBLIC_METHOD_RETURNS_JOCL = methods()
            .that()
            .arePublic()
            .and()
            .areDeclaredInClassesThat()
            .arePublic()
            .should()
            .haveRawReturnType(not(JOCL));

    @ArchTest
    static final ArchRule NO_PUBLIC_CODE_TAKES_JOCL = codeUnits()
            .that()
            .arePublic()
            .and()
            .areDeclaredInClassesThat()
            .arePublic()
            .should()
            .haveRawParameterTypes(not(anyElementThat(JOCL)));

    @ArchTest
    static final ArchRule NO_PUBLIC_CODE_DECLARES_JOCL_EXCEPTIONS = codeUnits()
            .that()
            .arePublic()
            .and()
            .areDeclaredInClassesThat()
            .arePublic()
            .should()
            .notDeclareThrowableOfType(JOCL);

    @ArchTest
    static final ArchRule NO_PUBLIC_FIELD_HOLDS_JOCL =
            fields().that().arePublic().should().haveRawType(not(JOCL));

    private static DescribedPredicate<JavaClass> dependOn(DescribedPredicate<JavaClass> wanted) {
        return DescribedPredicate.describe("depend on classes that " + wanted.getDescription(), origin -> {
            return origin.getDirectDependenciesFromSelf().stream()
                    .anyMatch(dependency -> wanted.test(dependency.getTargetClass()));
        });
    }
}
